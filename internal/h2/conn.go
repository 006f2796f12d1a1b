package h2

import "github.com/lariat-go/websocket/internal/bufpool"

// Beyond the first draft of this contract: Free gives back borrowed memory;
// EOF may return io.ErrUnexpectedEOF wrapped, within a frame. ContentLength of a
// Head that is sent is written as content-length unless it is -1.

// Conn is one side of a connection. Its methods are for one goroutine at a
// time. Init must be called first, and Free in the end.
type Conn struct {
	cfg  Config
	now  int64
	err  *ConnError // why it is over
	peer peerSettings

	// Streams.
	streams  map[uint32]*Stream // open
	latest   *Stream            // the one looked up last
	occupied int                // open, or not released
	nextID   uint32             // ours
	lastPeer uint32             // the peer's highest
	gone     gone
	refused  []*Stream // by GOAWAY, with the events still to come

	// What comes in.
	phase   phase
	have    uint8 // bytes of head, or of the preface
	head    [headerLen]byte
	frame   frameHeader
	left    uint32 // bytes of the payload, as the phase says
	pad     uint32 // padding after those of phaseData
	reading *Stream
	partial []byte // a payload that is not whole; borrowed
	block   headerBlock
	dec     decoder
	opened  bool // INITIAL_WINDOW_SIZE grew: KindWindow follows

	// What goes out.
	ctl          []byte // control frames; borrowed
	out          []byte // what keeps its order; borrowed
	sent         int    // of out
	ready        list   // queued streams that can send
	stuck        list   // those that wait for more window
	written      []*Stream
	writtenGiven bool
	enc          encoder
	replies      int // frames that answer the peer's, and wait
	pings        int // of ours, not answered

	// Flow control.
	sendWindow int32  // the connection's, as the peer opens it
	recvWindow int64  // as we do
	connUpdate uint32 // of recvWindow, not told yet

	budget budget

	acked    bool // the peer has our SETTINGS
	drain    drain
	goneAway bool       // the peer sent GOAWAY
	remote   *ConnError // its error
	lastGone uint32     // the last stream of our GOAWAY
}

// Init prepares c. For a client the preface, for both the SETTINGS (and the
// WINDOW_UPDATE that opens the connection's window) are queued.
func (c *Conn) Init(cfg *Config) {
	*c = Conn{cfg: cfg.withDefaults(), sendWindow: initialWindow, nextID: 1}
	if c.cfg.Role == RoleServer {
		c.phase = phasePreface
	}
	c.peer.init()
	c.dec.init(c.cfg.Role, &c.cfg)
	c.enc.init()
	c.queueSettings()
}

// Free gives back the memory c has borrowed. c must not be used afterwards, but
// that Streams, Idle and the like may still be asked.
func (c *Conn) Free() {
	if c.err == nil {
		c.err = &ConnError{Reason: "the connection was given up"}
	}
	c.dropOutput()
	bufpool.Put(c.ctl)
	bufpool.Put(c.partial)
	c.ctl, c.partial = nil, nil
}

// SetTime tells the time, in nanoseconds of any steady clock. It is called
// before Next and Output.
func (c *Conn) SetTime(now int64) { c.now = now }

// Streams returns how many streams are open, whoever opened them.
func (c *Conn) Streams() int { return len(c.streams) }

// Idle reports that no stream is open or occupied.
func (c *Conn) Idle() bool { return c.occupied == 0 }

// Settled reports that the peer's first SETTINGS came.
func (c *Conn) Settled() bool { return c.peer.came }

// PeerMaxStreams returns how many streams we may have open at once: 100 before
// the peer's first SETTINGS.
func (c *Conn) PeerMaxStreams() uint32 { return c.peer.maxStreams }

// PeerExtendedConnect reports whether the peer allows extended CONNECT.
func (c *Conn) PeerExtendedConnect() bool { return c.peer.connect }
