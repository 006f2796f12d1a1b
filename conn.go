package websocket

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/option"
	"github.com/lariat-go/websocket/internal/stream"
	"github.com/lariat-go/websocket/protocol"
)

// Conn is an open WebSocket connection. It is made by [Dial], [Accept] or
// [NewConn].
//
// Any number of goroutines may call its methods at the same time, except that
// one at a time may read: a second one gets [ErrConcurrentRead]. Reading is
// needed for more than messages: pings are answered, pongs and the peer's close
// frame are seen by whoever reads. A program that wants no messages calls
// [Conn.CloseRead].
//
// Every Conn must be ended with [Conn.Close] or [Conn.CloseNow], except after
// a Read that returned a [*CloseError]: then nothing is left to release.
type Conn struct {
	s    stream.Transport
	conf *config

	// Read side, owned by the goroutine that set reading.
	reading   atomic.Uint32 // readFree, readHeld, readAwaited
	received  atomic.Uint32 // reads that brought something, for KeepAlive
	waiting   atomic.Bool   // a read waits for the peer
	sizeBits  uint8         // of the next read buffer
	small     uint8         // reads in a row that left most of it empty
	batching  bool          // ReadBatch was called: larger buffers pay
	lent      bool          // messages of the last batch lie in buf
	owesFlush bool          // the reader queued frames that nobody writes yet
	skip      bool          // the rest of the current message is not wanted
	buf       []byte        // borrowed; buf[off:] is still to be worked through
	off       int
	recv      protocol.Receiver
	readWatch watch
	loose     *loose

	// Everything below is guarded by mu, which is never held while waiting.
	mu         sync.Mutex
	ended      atomic.Bool // the transport is closed; written under mu
	flushing   bool        // somebody is writing, and will look at out again
	cleaned    bool        // what the connection held is given back
	out        []byte      // frames to be written next, borrowed
	send       protocol.Sender
	err        error         // why nothing can be written any more
	changed    chan struct{} // closed when a waiter should look again; nil: nobody waits
	writeWatch watch         // owned by the goroutine that set flushing
	extra      *extra
}

// config is what a Conn keeps of its options and its opening handshake. Where
// nothing is out of the ordinary, connections share one.
type config struct {
	role         protocol.Role
	version      uint8
	skipUTF8     bool
	traced       bool
	writeTimeout time.Duration // 0: none
	closeTimeout time.Duration
	keepAlive    KeepAlive
	onPing       func([]byte)
	onPong       func([]byte)
	logger       *slog.Logger
	subprotocol  string
	extensions   []extension.Offer
	codec        extension.Codec
	header       packedHeader
	onEnd        func(*CloseError)
}

// extra is what few connections need, and those not all the time.
type extra struct {
	closing    protocol.ClosingHandshake
	closeTimer *time.Timer
	keepAlive  *keepAlive
	pings      []*pingWaiter
	pingSeq    uint64
	pong       []byte         // the latest ping to answer, while out is full
	refilled   time.Time      // control budget
	unsent     int            // bytes that were queued and never left
	writer     *messageWriter // has the right to send fragments
	large      int            // writers who wait for an empty queue
	batches    uint32         // taken from out
}

// loose is what the read side holds beside its buffer, if anything.
type loose struct {
	part     []byte          // a message cut short by the end of a context, borrowed
	partType MessageType     // of part; 0: none
	batch    [][]byte        // borrowed for messages of the last batch
	closing  *protocol.Close // came behind the last batch, and is still to be answered
	reader   *messageReader  // has the right to read the current message
}

// Sizes in bytes.
const (
	minReadBits  = 12            // read buffers begin with 4 KiB
	maxReadBits  = 16            // and grow up to 64 KiB,
	maxBatchBits = 18            // or 256 KiB for ReadBatch
	smallReads   = 8             // in a row make them smaller
	batchLimit   = 4 * highWater // of one flush of a batch
	highWater    = 64 << 10      // above it writers wait
	copyLimit    = 32 << 10      // larger payloads are written from where they are
	writeChunk   = 16 << 10      // between two deadlines, on a transport that is slow to tell
	progress     = 1 << 10       // what a peer must take in WriteTimeout
	lingerLimit  = 64 << 10      // read and dropped after a failure
	lingerTime   = time.Second
	pongRoom     = 1 << 10 // pongs queued before they are written, or while the peer takes nothing
	minDirect    = 512     // least room to read a payload into
	maxLate      = 8       // deadlines in a row that were none of the reader's
)

// NewConn makes a Conn of a stream on which the opening handshake is done. h
// is its result; nil means HTTP/1.1, no subprotocol and no extension. The Conn
// owns s from now on.
func NewConn(s Stream, role protocol.Role, h *handshake.Result, o *ConnOptions) *Conn {
	return newConn(s, role, h, o, nil)
}

// newConn is NewConn with bytes that came along with the opening handshake.
func newConn(s Stream, role protocol.Role, h *handshake.Result, o *ConnOptions, early []byte) *Conn {
	if o == nil {
		o = &ConnOptions{}
	}
	if h == nil {
		h = &handshake.Result{HTTPVersion: 1}
	}
	po := protocol.Options{
		Codec:          h.Codec,
		MaxMessageSize: o.MaxMessageSize,
		MaxFragments:   o.MaxFragments,
		ControlBurst:   o.MaxControls,
		SkipUTF8:       o.SkipUTF8,
	}
	if o.MaxFragments < 0 {
		po.MaxEmptyFragments = -1
	}
	if o.Trace != nil {
		po.OnHeader = o.Trace.Frame
	}
	c := &Conn{s: stream.Wrap(s), conf: newConfig(role, h, o), sizeBits: minReadBits}
	c.recv.Init(role, &po)
	c.send.Init(role, &po)
	if len(early) > 0 {
		c.buf = append(bufpool.Get(len(early))[:0], early...)
	}
	if o.KeepAlive.Interval > 0 {
		c.startKeepAlive()
	}
	if d, ok := c.s.Unwrap().(interface{ OnDrain(f func()) }); ok && role == protocol.RoleServer {
		d.OnDrain(func() { c.Close(StatusGoingAway, "") })
	}
	return c
}

// Most connections of a server look like these, over HTTP/1.1 and HTTP/2.
var (
	plainServer   = plainConfig(1)
	plainServerH2 = plainConfig(2)
)

func plainConfig(version uint8) config {
	return config{
		role:         protocol.RoleServer,
		version:      version,
		writeTimeout: DefaultWriteTimeout,
		closeTimeout: DefaultCloseTimeout,
	}
}

func newConfig(role protocol.Role, h *handshake.Result, o *ConnOptions) *config {
	if role == protocol.RoleServer && h.HTTPVersion <= 2 && h.Subprotocol == "" && h.Extensions == nil && h.Codec == nil && h.Header == nil &&
		o.WriteTimeout == 0 && o.CloseTimeout == 0 && o.MaxControls == 0 && o.KeepAlive == (KeepAlive{}) &&
		o.OnPing == nil && o.OnPong == nil && o.OnEnd == nil && o.Logger == nil && !o.SkipUTF8 && o.Trace == nil {
		if h.HTTPVersion == 2 {
			return &plainServerH2
		}
		return &plainServer
	}
	writeDefault := DefaultWriteTimeout
	if role == protocol.RoleClient {
		writeDefault = DefaultDialWriteTimeout
	}
	return &config{
		role:         role,
		version:      uint8(max(h.HTTPVersion, 1)),
		writeTimeout: option.OrDefault(o.WriteTimeout, writeDefault),
		closeTimeout: option.OrDefault(o.CloseTimeout, DefaultCloseTimeout),
		keepAlive:    o.KeepAlive,
		onPing:       o.OnPing,
		onPong:       o.OnPong,
		logger:       o.Logger,
		subprotocol:  h.Subprotocol,
		extensions:   h.Extensions,
		codec:        h.Codec,
		header:       packHeader(h.Header),
		onEnd:        o.OnEnd,
		skipUTF8:     o.SkipUTF8,
		traced:       o.Trace != nil && o.Trace.Frame != nil,
	}
}

// Subprotocol returns the subprotocol that was agreed, "" for none.
func (c *Conn) Subprotocol() string { return c.conf.subprotocol }

// Extensions returns the extensions that were agreed, with their parameters.
func (c *Conn) Extensions() []extension.Offer { return c.conf.extensions }

// HTTPVersion returns the version of HTTP that carries the connection: 1, 2 or
// 3.
func (c *Conn) HTTPVersion() int { return int(c.conf.version) }

// Header returns the header of the server's answer on a client's connection, a
// copy each time, and nil on a server's.
func (c *Conn) Header() http.Header {
	if c.conf.role == protocol.RoleServer {
		return nil
	}
	return c.conf.header.unpack()
}

// LocalAddr returns the address of this end, nil when the stream has none.
func (c *Conn) LocalAddr() net.Addr {
	if a, ok := c.s.Unwrap().(interface{ LocalAddr() net.Addr }); ok {
		return a.LocalAddr()
	}
	return nil
}

// RemoteAddr returns the address of the peer, nil when the stream has none.
func (c *Conn) RemoteAddr() net.Addr {
	if a, ok := c.s.Unwrap().(interface{ RemoteAddr() net.Addr }); ok {
		return a.RemoteAddr()
	}
	return nil
}

// notify wakes all who wait for a change. c.mu is held.
func (c *Conn) notify() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// change returns the channel that is closed at the next change. c.mu is held.
func (c *Conn) change() <-chan struct{} {
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}

// more returns the rarely needed part. c.mu is held.
func (c *Conn) more() *extra {
	if c.extra == nil {
		c.extra = &extra{}
	}
	return c.extra
}

// ending returns how the connection ended, a [*CloseError], and nil while it
// has not. c.mu is held.
func (c *Conn) ending() error {
	if !c.ended.Load() {
		return nil
	}
	return c.err
}
