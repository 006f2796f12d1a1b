package server

import (
	"cmp"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/poll"
	"github.com/lariat-go/websocket/protocol"
)

// Session is one WebSocket connection of a [Server], from its Init to its
// Terminate. All methods may be called from any goroutine, in a callback or
// not, also after the end, and none of them waits for the peer.
type Session struct {
	desc poll.Desc // used by the links of the poller
	link link
	h    Handler
	conf *config
	hs   *handshake.Result // nil: HTTP/1.1, nothing agreed
	req  any

	turn turn // the right to run callbacks, and what is to be done

	gather gathering     // whether what is sent waits for callbacks
	mode   atomic.Uint32 // what the runner has to look at between two messages
	heard  atomic.Bool   // something came since the last tick

	phase  phase // owned by whoever has the turn
	shard  uint8 // of the server's counters
	remote address
	index  int32    // in Server.sessions, guarded by its mu
	in     *reading // owned by whoever has the turn; nil while nothing came

	// Everything below is guarded by mu, which is never held while waiting.
	mu       sync.Mutex
	send     *protocol.Sender // shared with others, where that can be
	out      []byte           // frames to be written next, borrowed
	flushing bool             // somebody writes, and will look at out again
	blocked  bool             // the kernel takes no more: a Writable will come
	retry    bool             // it came while somebody was writing
	gone     bool             // the transport is to be closed, or is
	released bool             // the transport is closed, and what was held given back
	over     bool             // nothing may be sent any more
	unsaid   uint32           // messages that are not in the counters yet
	rare     *rare

	timing timing
}

// rare is what few sessions need, and those not all the time.
type rare struct {
	end      *ending
	mail     mailbox
	groups   []*Group
	queue    *queue // messages that are not encoded yet
	head     []byte // frames of which the kernel has taken head[:off], borrowed
	off      int
	pong     []byte // the latest ping to answer, while too much is owed
	owesPong bool
	asked    bool // Congested has returned true: Relieved is to be called

	idle    time.Duration // by SetIdleTimeout; 0: that of the options
	maxSize int64         // by SetMaxMessageSize
	value   any           // by SetShutdownReason

	authAt   int64 // when the session ends unless it has authenticated; 0: never
	closeAt  int64 // when the closing handshake, or lingering, ends
	writeAt  int64 // when some progress must have been made
	wrote    int64 // bytes taken by the peer, at the last look
	taken    int64 // bytes taken by the peer
	lingered int   // bytes read and dropped
	drains   int   // turns that read all they may since Shutdown
}

// reading is what a session needs while it receives. One that waits between two
// messages, and is not compressed, has none.
type reading struct {
	recv     protocol.Receiver
	part     []byte // of an unfinished message, borrowed
	input    []byte // what of the read is still to be worked through
	kept     []byte // input of an earlier read, borrowed: reading was stopped before kept[keptOff:]
	keptOff  int
	refilled time.Time // the budget of control frames
	messages int       // of one read
}

var readings = bufpool.Pool[*reading]{New: func() *reading { return new(reading) }}

// phase is how far a session is.
type phase uint8

const (
	phaseOpen   phase = iota
	phaseLinger       // Terminate was called; the peer is given time to read the close frame
	phaseOver         // nothing is left to do
)

// What the runner has to look at between two messages.
const (
	modePaused   uint32 = 1 << iota // SetActive(false)
	modeEnding                      // no messages any more
	modeDetached                    // the connection is somebody else's
	modeMaxSize                     // SetMaxMessageSize
	modeClosing                     // a close frame was sent
	modeBroken                      // a write has failed
	modeOwnMax                      // SetMaxMessageSize was called at some time
)

// setMode sets and clears bits of the mode.
func (s *Session) setMode(set, clear uint32) {
	for {
		old := s.mode.Load()
		if s.mode.CompareAndSwap(old, old&^clear|set) {
			return
		}
	}
}

// more returns the rarely needed part. s.mu is held.
func (s *Session) more() *rare {
	if s.rare == nil {
		s.rare = &rare{}
	}
	return s.rare
}

// slim gives the rarely needed part back when it is not needed any more.
func (s *Session) slim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rare
	if r != nil && r.end == nil && r.mail.n == 0 && len(r.groups) == 0 && !r.queue.waiting() && r.head == nil && !r.owesPong && !r.asked &&
		r.idle == 0 && r.maxSize == 0 && r.value == nil && r.authAt == 0 && r.closeAt == 0 && r.writeAt == 0 {
		s.rare = nil
	}
}

// Request returns what [Options.RequestFilter] kept of the request, by default
// a *[Request].
func (s *Session) Request() any { return s.req }

// Subprotocol returns the subprotocol that was agreed, "" for none.
func (s *Session) Subprotocol() string {
	if s.hs == nil {
		return ""
	}
	return s.hs.Subprotocol
}

// Extensions returns the extensions that were agreed, with their parameters.
func (s *Session) Extensions() []extension.Offer {
	if s.hs == nil {
		return nil
	}
	return s.hs.Extensions
}

// HTTPVersion returns the version of HTTP that carries the session.
func (s *Session) HTTPVersion() int {
	if s.hs == nil {
		return 1
	}
	return s.hs.HTTPVersion
}

// RemoteAddr returns the address of the peer, nil where there is none. It
// stays after the end.
func (s *Session) RemoteAddr() net.Addr { return s.link.remoteAddr() }

// LocalAddr returns the address of this end, nil where there is none. It may be
// nil after the end.
func (s *Session) LocalAddr() net.Addr {
	s.mu.Lock() // the descriptor that is asked must not become another connection's
	defer s.mu.Unlock()
	return s.link.localAddr()
}

// SetActive stops reading, with false, or goes on with it. What the peer sends
// meanwhile waits in the kernel, and flow control makes the peer wait. It holds
// from the next message. Pings wait as well, and that the peer has gone is not
// noticed before a write fails. The idle timeout runs on: a session that is
// stopped for long needs a longer one.
func (s *Session) SetActive(active bool) {
	if active {
		s.setMode(0, modePaused)
		s.kick(evRead | evHangUp)
	} else {
		s.setMode(modePaused, 0)
	}
}

// SetDeflate says whether messages sent from now on are compressed, where that
// was agreed. They are at first.
func (s *Session) SetDeflate(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.codec() != nil {
		s.send.SetCoding(on)
	}
}

// SetIdleTimeout changes [Options.IdleTimeout]: 0 is the default of 60 s, a
// negative one means never. The time begins anew.
func (s *Session) SetIdleTimeout(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return
	}
	s.more().idle = cmp.Or(d, DefaultIdleTimeout)
	s.restartTicks()
}

// SetMaxMessageSize changes [websocket.ConnOptions.MaxMessageSize]: 0 is the
// default of 1 MiB, a negative one means no limit. It holds from the next
// frame. A program may keep it small until a client has logged in.
func (s *Session) SetMaxMessageSize(n int64) {
	s.mu.Lock()
	s.more().maxSize = n
	s.mu.Unlock()
	s.setMode(modeMaxSize|modeOwnMax, 0)
}

// SetShutdownReason sets the Value of the [Reason] that Terminate will get.
func (s *Session) SetShutdownReason(value any) {
	s.mu.Lock()
	s.more().value = value
	s.mu.Unlock()
}

// Authenticated ends the wait of [Options.AuthTimeout]: the session may go on.
func (s *Session) Authenticated() {
	s.mu.Lock()
	if s.rare != nil {
		s.rare.authAt = 0
	}
	s.mu.Unlock()
}

// Hibernate gives back what the session holds beyond what it needs: the memory
// its compressor keeps of earlier messages, which makes the next ones a little
// longer. Read and write buffers, and a goroutine, are not held by a session
// that waits, hibernated or not.
func (s *Session) Hibernate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hibernate()
}

// hibernate is Hibernate with s.mu held.
func (s *Session) hibernate() {
	if s.gone || s.hs == nil || s.mode.Load()&modeDetached != 0 {
		return
	}
	if c, ok := s.hs.Codec.(extension.Rester); ok {
		c.Rest()
	}
}

// Backlog returns how many bytes the session owes its peer: frames that the
// kernel has not taken, and messages that wait, each with 64 bytes more.
func (s *Session) Backlog() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owed()
}
