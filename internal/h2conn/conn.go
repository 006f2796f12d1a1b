package h2conn

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/option"
	"github.com/lariat-go/websocket/internal/stream"
)

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
	crowd    []*Stream     // wait for room for a head
	taken    amount        // of the machine's output
	written  amount        // what of that the kernel has
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
	c.o.WriteTimeout = option.OrDefault(o.WriteTimeout, DefaultWriteTimeout)
	c.o.HandshakeTimeout = option.OrDefault(o.HandshakeTimeout, DefaultHandshakeTimeout)
	c.o.PingTimeout = option.OrDefault(o.PingTimeout, DefaultPingTimeout)
	c.in.layered = isTLS(nc)
	c.m.Init(&c.o.Config)
	return c
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

// errTrailer ends a stream: fields are missing, and nobody would know.
var errTrailer = errors.New("websocket: the HTTP/2 trailer is longer or has more fields than is taken")

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
		switch s := owner(ev.Stream); {
		case s == nil:
		case ev.Head.TooLarge:
			c.m.Reset(s.m, h2.ErrCodeCancel)
			s.fail(errTrailer)
		default:
			s.more().trailers = ev.Head.Fields
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
		if c.shake != nil {
			c.shake.Stop()
			c.shake = nil
		}
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
