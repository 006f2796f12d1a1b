package httpconn

import (
	"net/http"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/protocol"
)

const (
	keepOutput = 4 << 10 // how much memory for output is kept for the next
	keepEvents = 64      // and for how many events
)

// Conn is the client's side of one connection of HTTP/1.1 or HTTP/2, without its
// transport. It is for one goroutine at a time. It is made by [New].
type Conn struct {
	o *settings
	m machine
}

// machine is a version of HTTP.
type machine interface {
	request(h head) (StreamID, error)
	write(id StreamID, p []byte) (int, error)
	end(id StreamID, trailer http.Header) error
	cancel(id StreamID) error

	receive(p []byte) error
	receiveEOF() error
	begin()
	told() []Event
	consumed(id StreamID, n int)

	// accept returns the stream, and what came as its answer; nil if there is
	// none. reject gives it up.
	accept(id StreamID) *stream
	reject(s *stream)

	ready() bool
	ping(data [8]byte) error
	output(dst []byte, keep bool) []byte
	isOpen() bool
	openRequests() int
	finished() bool
	drain()
	close()
}

// events are what a call of Receive returns.
type events struct{ list []Event }

func (e *events) begin() {
	clear(e.list)
	if e.list = e.list[:0]; cap(e.list) > keepEvents {
		e.list = nil
	}
}

func (e *events) add(ev Event) { e.list = append(e.list, ev) }

func (e *events) told() []Event { return e.list }

// New returns a connection on which nothing was sent or received yet. Over
// HTTP/2, [Conn.Output] begins with the preface. The error is a
// [*websocket.OptionError].
//
// [*websocket.OptionError]: https://pkg.go.dev/github.com/lariat-go/websocket#OptionError
func New(o *Options) (*Conn, error) {
	s, err := o.settings()
	if err != nil {
		return nil, err
	}
	c := &Conn{o: s}
	if s.Major == 2 {
		c.m = newHTTP2(s)
	} else {
		c.m = newHTTP1(s)
	}
	return c, nil
}

// Request queues a request, which [Conn.Output] returns. The Done or Failed of
// its stream ends it.
//
// The errors are [ErrRequest], when r cannot be sent, [ErrBusy], [ErrUpgraded]
// and [ErrClosed], or that which has ended the connection. Nothing is queued
// then.
func (c *Conn) Request(r *Request) (StreamID, error) {
	h, err := c.o.request(r)
	if err != nil {
		return 0, err
	}
	return c.m.request(h)
}

// Body queues a piece of a request's body, or of what an upgraded stream
// carries, and returns how many bytes it took. Over HTTP/1.1 that is all of p.
// Over HTTP/2 it is as much as the server's windows let through: with the rest,
// wait for [Writable]. A piece longer than what [Request.Body] leaves is refused
// with [ErrRequest]; the error for a stream that takes nothing more is
// [ErrStream].
func (c *Conn) Body(id StreamID, p []byte) (n int, err error) { return c.m.write(id, p) }

// End ends a request's body whose length was not given, with trailers if there
// are any, which a Trailer in the request's Header should have named; or our
// direction of an upgraded stream, without them. Over HTTP/1.1 the latter sends
// nothing: close that direction of the transport when what [Conn.Output]
// returned has left.
//
// A body whose length was given ends with its last byte; End is not called then.
func (c *Conn) End(id StreamID, trailer http.Header) error {
	if err := checkTrailer(trailer); err != nil {
		return err
	}
	return c.m.end(id, trailer)
}

// Cancel gives a stream up; no event of it follows. Over HTTP/2 it is reset with
// CANCEL, and the others go on. HTTP/1.1 has no way to say so: the connection is
// over.
func (c *Conn) Cancel(id StreamID) error { return c.m.cancel(id) }

// Receive takes what came from the server, cut anywhere, and returns what
// happened. The events and their Data are valid until the next call of Receive
// or ReceiveEOF.
//
// With an error the connection is over. The events are those that came before,
// and for each stream that was under way a Failed; all further calls return the
// same error. It is an [*Error] or, over HTTP/2, an [*HTTP2ConnError]; what
// Output still returns says it to the server.
func (c *Conn) Receive(p []byte) ([]Event, error) {
	c.m.begin()
	err := c.m.receive(p)
	return c.m.told(), err
}

// ReceiveEOF says that the server's bytes have ended, or were lost. The error is
// nil when that is in order: between responses, at the end of a body that goes
// on until then, and after an upgrade over HTTP/1.1. The connection is over in
// any case.
func (c *Conn) ReceiveEOF() ([]Event, error) {
	c.m.begin()
	err := c.m.receiveEOF()
	return c.m.told(), err
}

// Consumed says that n bytes of a stream's Data were used: over HTTP/2 the
// server may send as many more, beyond [Options.Window]. Over HTTP/1.1 it means
// nothing: whoever wants no more does not read from the transport.
func (c *Conn) Consumed(id StreamID, n int) { c.m.consumed(id, n) }

// Output returns the bytes to be sent, nil when there are none. They are the
// caller's.
func (c *Conn) Output() []byte { return c.m.output(nil, false) }

// AppendOutput is Output for those who have a buffer: it appends to dst, and the
// memory of small output is used again.
func (c *Conn) AppendOutput(dst []byte) []byte { return c.m.output(dst, true) }

// Ping queues a PING of HTTP/2, which the server has to answer soon: [Pong].
// Over HTTP/1.1 the error is [ErrRequest].
func (c *Conn) Ping(data [8]byte) error { return c.m.ping(data) }

// Ready reports whether the server's SETTINGS are known, so that Upgrade can be
// called. Over HTTP/1.1 it is always true.
func (c *Conn) Ready() bool { return c.m.ready() }

// IsOpen reports whether a request can still be made, now or, where there is one
// under way, later.
func (c *Conn) IsOpen() bool { return c.m.isOpen() }

// OpenRequests returns how many requests and WebSockets are under way.
func (c *Conn) OpenRequests() int { return c.m.openRequests() }

// Finished reports that nothing more can happen: the connection has failed, was
// closed or has ended, or takes no more requests and none is under way. Send
// what Output returns, and close the transport.
func (c *Conn) Finished() bool { return c.m.finished() }

// Drain says that no more requests follow; those under way go on. Over HTTP/2
// the server is told, by GOAWAY.
func (c *Conn) Drain() { c.m.drain() }

// Close ends the connection, and with it what is under way; no events follow.
// Over HTTP/2 Output returns a GOAWAY then. All further calls return
// [ErrClosed].
func (c *Conn) Close() { c.m.close() }

// Upgrade queues an opening handshake, made by [handshake.Client.Request] for
// this connection's version of HTTP: a GET over HTTP/1.1, an extended CONNECT
// over HTTP/2. The caller may have added cookies to its Header. When it is
// accepted there is the event [Upgraded], otherwise the response is as any
// other.
//
// Besides those of [Conn.Request], the errors are [ErrScheme], when r is for TLS
// and the connection has none or the other way round, and over HTTP/2
// [ErrNotReady], before the first [Ready], and
// [handshake.ErrExtendedConnectDisabled], when the server has no WebSockets over
// HTTP/2.
func (c *Conn) Upgrade(r *handshake.Request) (StreamID, error) {
	h, err := c.o.handshake(r)
	if err != nil {
		return 0, err
	}
	return c.m.request(h)
}

// Accepted checks the answer to an opening handshake, by [handshake.Client.Finish]
// of the Client that made the request, and returns the WebSocket: the stream's
// Data goes to Receive of the endpoint, and what its Output returns to
// [Conn.Body]. The codec of o is replaced by what was negotiated.
//
// It is called once, after [Upgraded] and before the next Receive. After [Status]
// it may be called to have the refusal as an error: a [*handshake.Error], to
// which the caller adds the body. Where an answer said to be a WebSocket is none,
// the error is one too, and the stream is given up: over HTTP/1.1 the connection.
func (c *Conn) Accepted(id StreamID, hs *handshake.Client, o *protocol.Options) (*protocol.Endpoint, *handshake.Result, error) {
	s := c.m.accept(id)
	if s == nil || s.accepted {
		return nil, nil, ErrNotUpgraded
	}
	res, err := hs.Finish(s.status, s.header)
	if err != nil {
		if s.upgraded {
			c.m.reject(s)
		}
		return nil, nil, err
	}
	s.accepted = true
	var po protocol.Options
	if o != nil {
		po = *o
	}
	po.Codec = res.Codec
	return protocol.NewEndpoint(protocol.RoleClient, &po), res, nil
}
