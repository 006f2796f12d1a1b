package h2conn

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/poll"
	"github.com/lariat-go/websocket/internal/stream"
)

// The defaults of [Options].
const (
	DefaultWriteTimeout     = 10 * time.Second
	DefaultHandshakeTimeout = 5 * time.Second
	DefaultPingTimeout      = 15 * time.Second
)

// Sizes and times.
const (
	readBits    = 14       // read buffers of 16 KiB, a TLS record
	outputSize  = 64 << 10 // written at once
	lingerTime  = time.Second
	drainTime   = 5 * time.Second // for the answer to the first GOAWAY
	lingerLimit = 64 << 10        // read and dropped after a failure
)

// Options of a connection.
type Options struct {
	h2.Config

	// WriteTimeout is how long the peer may take nothing of what is written
	// before the connection is given up. 0 means 10 s, negative never.
	WriteTimeout time.Duration

	// HandshakeTimeout is for the peer's preface and SETTINGS, and for its
	// acknowledgement of ours. 0 means 5 s, negative never.
	HandshakeTimeout time.Duration

	// IdleTimeout closes a connection that has had no stream for so long. 0
	// means never.
	IdleTimeout time.Duration

	// After PingInterval without a byte from the peer a PING is sent, and the
	// connection is given up when PingTimeout more has passed without one. 0
	// means no pings, and 15 s.
	PingInterval, PingTimeout time.Duration

	// Early is what came from the peer already, such as the preface by which a
	// server has told HTTP/2.
	Early []byte

	// Poller, if not nil, carries the connection if that is TLS over TCP: then no
	// goroutine waits for the peer, but that of Serve.
	Poller *poll.Poller

	// Request is called for every new stream of a server, on the goroutine that
	// reads: it must not wait. With end, the request has no body. The stream is
	// owned by whoever is called, who has to call Release or Detach in the end.
	Request func(s *Stream, h *h2.Head, end bool)

	// Room, if not nil, is called when a stream may be opened (client) that could
	// not be a moment ago, and when none will be any more. It must not wait.
	Room func()

	// Active, if not nil, is told when the first stream begins and when the
	// last one is over, by one goroutine at a time. It must not wait.
	Active func(active bool)
}

// Conn is one connection. Any number of goroutines may call its methods.
type Conn struct {
	nc net.Conn
	t  stream.Transport
	o  Options

	start time.Time     // what the machine's time counts from
	done  chan struct{} // closed when the connection is over
	shut  chan struct{} // closed when its socket is closed

	in     reader
	polled *polled // carries the connection; nil: a goroutine reads

	stateMu sync.Mutex // held while Active is called
	told    bool       // what it was told last

	// Everything below is guarded by mu, which is never held while waiting.
	mu       sync.Mutex
	m        h2.Conn
	flushing bool        // somebody is writing, and will look for more
	held     bool        // what is to be written waits for the end of a turn
	stopping bool        // closes when it is drained
	err      error       // why the connection is over
	over     bool        // no stream lives, nothing is sent any more
	closed   bool        // the socket is closed
	linger   *time.Timer // closes it
	streams  *Stream     // those that have not ended, in a list
	later    []func()    // to be called without the lock
	changed  bool        // Active may have to be told
	opening  []*waiter
	room     int           // streams that could be opened when Room was called last, less those that were
	flushed  chan struct{} // closed when nobody is flushing any more; nil: nobody waits for that
	settled  chan struct{} // closed when the peer's SETTINGS are there

	// Watched streams, see turn.go.
	ready, lastReady *Stream     // to be called, a list
	wanting          []*Stream   // want to write
	calling          *Stream     // is being called by who reads
	calls, seen      uint32      // how often that was done; at the last look
	guardian         *time.Timer // looks whether a call takes long
	guarded          bool        // it is set
	reader           uint32      // counts the goroutines that read, one after the other
	inReceive        bool        // the one who reads is about to call
	inTurn           bool        // it does

	woken int // goroutines that the last bytes from the peer have woken

	pings   map[uint64]chan struct{}
	pingSeq uint64
	heard   time.Time // when something came last
	acked   bool      // our SETTINGS are acknowledged
	dropped int       // bytes that came after the end

	idle, shake, retry, keep, drainTimer *time.Timer
}

// New makes a connection of nc, on which nothing was sent or received yet. It
// owns nc. Nothing happens before [Conn.Serve], but that streams may be opened.
func New(nc net.Conn, o *Options) *Conn {
	c := &Conn{
		nc: nc, t: stream.New(nc), o: *o,
		start: time.Now(), done: make(chan struct{}), shut: make(chan struct{}), settled: make(chan struct{}),
	}
	c.o.WriteTimeout = orDefault(o.WriteTimeout, DefaultWriteTimeout)
	c.o.HandshakeTimeout = orDefault(o.HandshakeTimeout, DefaultHandshakeTimeout)
	c.o.PingTimeout = orDefault(o.PingTimeout, DefaultPingTimeout)
	c.in.layered = isTLS(nc)
	c.m.Init(&c.o.Config)
	return c
}

// orDefault applies the rule for durations: 0 is the default, negative none.
func orDefault(d, def time.Duration) time.Duration {
	switch {
	case d == 0:
		return def
	case d < 0:
		return 0
	}
	return d
}

// Serve moves the bytes of the connection until it is over, and returns why: nil
// after an orderly end. No stream is open then.
func (c *Conn) Serve() error {
	c.mu.Lock()
	c.heard = c.start
	c.startTimers()
	if early := c.o.Early; len(early) > 0 {
		c.o.Early = nil
		c.receive(early)
	}
	if !c.adopt() {
		go c.read()
	}
	c.flush(false)
	c.unlock()
	<-c.shut
	c.mu.Lock()
	for c.flushing { // a buffer is in use
		flushed := c.whenFlushed()
		c.mu.Unlock()
		<-flushed
		c.mu.Lock()
	}
	err := c.err
	c.m.Free()
	c.unlock()
	if errors.Is(err, errOrderly) {
		return nil
	}
	return err
}

// errOrderly is the end of a connection that was drained or that the peer closed
// between frames, with nothing left open.
var errOrderly = errors.New("websocket: the HTTP/2 connection was closed")

// unlock releases the lock and calls what was put off.
func (c *Conn) unlock() {
	later, changed := c.later, c.changed
	c.later, c.changed = nil, false
	c.mu.Unlock()
	for _, f := range later {
		f()
	}
	if changed {
		c.tellActive()
	}
}

// receive takes what the peer sent. A turn has to follow. c.mu is held, and
// released for a moment by what begins or ends.
func (c *Conn) receive(in []byte) {
	now := time.Now()
	c.heard = now
	if c.err != nil {
		if c.dropped += len(in); c.dropped > lingerLimit {
			c.fail(c.err)
			c.closeSocket()
		}
		return
	}
	c.m.SetTime(int64(now.Sub(c.start)))
	c.inReceive, c.woken = true, 0
	for {
		n, ev, ok, err := c.m.Next(in)
		in = in[n:]
		if err != nil {
			c.conclude(err)
			break
		}
		if !ok {
			if len(in) == 0 {
				break
			}
			continue
		}
		c.handle(&ev)
		if c.err != nil {
			break
		}
	}
	c.inReceive = false
}

// handle deals with an event. c.mu is held, and released for a moment by a new
// request.
func (c *Conn) handle(ev *h2.Event) {
	switch ev.Kind {
	case h2.KindHead:
		if c.o.Role == h2.RoleServer {
			c.begin(ev)
			return
		}
		if s := owner(ev.Stream); s != nil {
			s.head(ev.Head, ev.End)
		}
	case h2.KindTrailers:
		if s := owner(ev.Stream); s != nil {
			s.trailers = ev.Head.Fields
			s.inputEnded()
		}
	case h2.KindData:
		if s := owner(ev.Stream); s != nil {
			s.deliver(ev.Data, ev.End)
		} else {
			c.m.Consumed(ev.Stream, len(ev.Data))
		}
	case h2.KindReset:
		if s := owner(ev.Stream); s != nil {
			s.fail(ev.Err)
		}
	case h2.KindWindow:
		c.mayWriteMore()
	case h2.KindSettings:
		if ev.First {
			close(c.settled)
		}
		c.admit()
	case h2.KindSettingsAck:
		c.acked = true
	case h2.KindPong:
		c.pong(ev.Ping)
	case h2.KindGoAway:
		c.admit() // whoever waits to open a stream is told
	}
}

// owner returns the Stream of the machine's.
func owner(m *h2.Stream) *Stream {
	if m == nil {
		return nil
	}
	s, _ := m.Owner.(*Stream)
	return s
}

// begin starts a stream of a client's. c.mu is held, and released for the call
// of Request.
func (c *Conn) begin(ev *h2.Event) {
	s := c.newStream(ev.Stream)
	s.inEnd = ev.End
	head, end := ev.Head, ev.End
	c.woken++
	c.mu.Unlock()
	c.tellActive()
	c.o.Request(s, head, end)
	c.mu.Lock()
}

// ended deals with the end of what the peer sends. c.mu is held.
func (c *Conn) ended(err error) {
	if c.over {
		c.closeSocket()
		return
	}
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		err = c.m.EOF()
		if err == nil && c.streams == nil {
			err = errOrderly
		} else if err == nil {
			err = io.ErrUnexpectedEOF
		}
	}
	c.fail(err)
}

// conclude ends the connection when what the machine has queued, a GOAWAY, has
// left. c.mu is held, and released while writing.
func (c *Conn) conclude(err error) {
	if c.over || c.err != nil {
		return
	}
	c.endStreams(err)
	c.stopping, c.held = true, false
	c.linger = time.AfterFunc(lingerTime, func() {
		c.mu.Lock()
		c.fail(err)
		c.unlock()
	})
	c.flush(false)
	if !c.flushing {
		c.finish(err)
	}
}

// fail ends the connection: whatever is still to be written is not. c.mu is held.
func (c *Conn) fail(err error) {
	if c.end(err) {
		c.closeSocket()
	}
}

// finish ends the connection in order: our direction first, and the rest when the
// peer has ended its own, or in a second. Closing a socket with unread bytes
// would make the kernel take back what was sent last. c.mu is held.
func (c *Conn) finish(err error) {
	if !c.end(err) {
		return
	}
	if c.linger != nil {
		c.linger.Stop()
	}
	c.linger = time.AfterFunc(lingerTime, func() {
		c.mu.Lock()
		c.closeSocket()
		c.unlock()
	})
	if c.polled != nil {
		c.polled.closeWrite()
		return
	}
	if cw, ok := c.nc.(interface{ CloseWrite() error }); ok {
		go cw.CloseWrite() // TLS writes for it
	}
}

// end tells everybody that the connection is over. It reports whether that is
// news. c.mu is held.
func (c *Conn) end(err error) bool {
	if c.over {
		return false
	}
	c.over = true
	c.endStreams(err)
	c.stopTimers()
	close(c.done)
	c.admit()
	return true
}

// closeSocket closes what carries the connection, without waiting for anything.
// c.mu is held.
func (c *Conn) closeSocket() {
	if c.closed {
		return
	}
	c.closed = true
	if c.linger != nil {
		c.linger.Stop()
	}
	if c.polled != nil {
		c.polled.close()
		return
	}
	if t, ok := c.nc.(interface{ NetConn() net.Conn }); ok {
		go func() { // it says goodbye where it can
			cut := time.AfterFunc(lingerTime, func() { t.NetConn().Close() })
			c.nc.Close()
			cut.Stop()
			close(c.shut)
		}()
		return
	}
	c.nc.Close()
	close(c.shut)
}

// endStreams ends every stream because of err. c.mu is held.
func (c *Conn) endStreams(err error) {
	if c.err == nil {
		c.err = err
	}
	for c.streams != nil {
		c.streams.fail(c.err)
	}
}

// Drain ends the connection when the streams there are have ended; new ones are
// not taken (RFC 9113, section 6.8).
func (c *Conn) Drain() {
	c.mu.Lock()
	defer c.unlock()
	if c.over || c.stopping {
		return
	}
	c.stopping = true
	c.m.Drain()
	c.drainTimer = time.AfterFunc(drainTime, c.drainOver)
	for s := c.streams; s != nil; s = s.next {
		if s.onDrain != nil {
			go s.onDrain()
			s.onDrain = nil
		}
	}
	c.flush(false)
	c.checkDrained()
}

// drainOver closes a connection whose peer does not answer while it is drained,
// unless there are streams.
func (c *Conn) drainOver() {
	c.mu.Lock()
	defer c.unlock()
	if !c.over && c.m.Idle() {
		c.fail(errOrderly)
	}
}

// checkDrained closes a connection that is to be closed and has nothing left to
// do. c.mu is held.
func (c *Conn) checkDrained() {
	if !c.over && !c.flushing && c.m.Drained() && !c.m.HasOutput() {
		c.finish(errOrderly)
	}
}

// Close ends the connection at once, with a GOAWAY if that leaves.
func (c *Conn) Close() error {
	c.Fail(h2.ErrCodeNo, "")
	return nil
}

// Fail ends the connection at once, with a GOAWAY if that leaves.
func (c *Conn) Fail(code h2.ErrCode, reason string) {
	c.mu.Lock()
	defer c.unlock()
	if c.over {
		return
	}
	var err error = c.m.Fail(code, reason)
	if code == h2.ErrCodeNo {
		err = errOrderly
	}
	c.conclude(err)
}

// Done returns a channel that is closed when the connection is over.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection is over, nil while it is not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		return nil
	}
	return c.err
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// NetConn returns what carries the connection. It must not be read or written.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Ping waits until the peer has answered a PING.
func (c *Conn) Ping(ctx context.Context) error {
	c.mu.Lock()
	if c.over {
		err := c.err
		c.mu.Unlock()
		return err
	}
	c.pingSeq++
	seq, answered := c.pingSeq, make(chan struct{})
	if c.pings == nil {
		c.pings = make(map[uint64]chan struct{})
	}
	c.pings[seq] = answered
	c.m.Ping(pingData(seq))
	c.flush(false)
	c.unlock()
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.pings, seq)
		c.mu.Unlock()
		return context.Cause(ctx)
	case <-c.done:
		return c.Err()
	}
}

// pingMark tells our pings from the machine's.
const pingMark = 0x6c617269

func pingData(seq uint64) (p [8]byte) {
	seq |= pingMark << 32
	for i := range p {
		p[i] = byte(seq >> (8 * i))
	}
	return p
}

func (c *Conn) pong(p [8]byte) {
	var seq uint64
	for i, b := range p {
		seq |= uint64(b) << (8 * i)
	}
	if seq>>32 != pingMark {
		return
	}
	if ch := c.pings[seq&(1<<32-1)]; ch != nil {
		close(ch)
		delete(c.pings, seq&(1<<32-1))
	}
}

// errTimeout is what a deadline that has passed gives.
var errTimeout error = os.ErrDeadlineExceeded
