package server

import (
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/poll"
	"github.com/lariat-go/websocket/internal/stream"
	"github.com/lariat-go/websocket/protocol"
)

// Server is an [http.Handler] that turns requests into sessions. It is made by
// [New]; the fields are set before the first request. All methods may be called
// from any goroutine.
type Server struct {
	// MaxSessions is how many sessions there may be; a request for more is
	// answered 503. Default 80 % of the descriptors the process may open (no
	// limit where that can't be told), negative no limit.
	MaxSessions int

	// Workers is how many goroutines read, run callbacks and write, on Linux,
	// for all sessions over TCP and TLS. While a callback blocks there are more.
	// Default GOMAXPROCS.
	Workers int

	// Logger is told of panics in handlers. Default [slog.Default].
	Logger *slog.Logger

	upgrade  Upgrade
	defaults Options
	counters counters
	clock    clock
	shared   atomic.Pointer[config] // of the last session
	drain    atomic.Pointer[Drain]  // set by Shutdown

	mu       sync.Mutex
	sessions []*Session
	opening  int           // requests that are becoming sessions
	ended    Report        // of all sessions
	limit    int           // 0: not known yet; negative: none
	pollers  poll.Shared   // keeps it for a while when there is no session
	poller   *poll.Poller  // nil: none at present
	empty    chan struct{} // closed when the last session is gone, during Shutdown
}

// New returns a Server whose sessions are chosen by u. Nothing runs until the
// first one begins, and nothing is left when the last has ended.
func New(u Upgrade) *Server {
	srv := &Server{upgrade: u, counters: newCounters()}
	srv.clock.start = time.Now()
	return srv
}

// ServeHTTP asks the [Upgrade] function and opens a session, or leaves the
// request answered. It returns when the session's Init has returned; the
// session goes on. Over HTTP/2 on a server that does not give streams away,
// net/http's own, it returns when the session has ended.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !srv.reserve() {
		srv.refuse(w, r)
		return
	}
	entered := false
	defer func() {
		if !entered { // also when the Upgrade function panicked
			srv.unreserve()
		}
	}()
	s, early := srv.accept(w, r)
	if s == nil {
		return
	}
	entered = true
	s.start(early)
}

// accept makes a session of a request, or returns nil when the request has
// another answer.
func (srv *Server) accept(w http.ResponseWriter, r *http.Request) (*Session, []byte) {
	h, o := srv.upgrade(w, r)
	if h == nil {
		return nil, nil
	}
	if o == nil {
		o = &srv.defaults
	}
	filter := o.RequestFilter
	if filter == nil {
		filter = filterRequest
	}
	req := filter(r) // before the connection is ours: it may panic
	a, err := websocket.AcceptStream(w, r, &o.AcceptOptions)
	if err != nil {
		return nil, nil // the client has its answer
	}
	return srv.open(h, o, req, a), a.Early
}

// open makes a session of a connection. It is a step of its own, like those
// before: the stack of net/http's goroutine grows less.
//
//go:noinline
func (srv *Server) open(h Handler, o *Options, req any, a *websocket.Accepted) *Session {
	s := &Session{h: h, conf: srv.config(o), req: req, link: noLink{}}
	if hs := a.Handshake; hs.HTTPVersion != 1 || hs.Subprotocol != "" || hs.Extensions != nil || hs.Codec != nil {
		s.hs = hs
	}
	if s.send = s.conf.plain; s.send == nil || s.codec() != nil {
		po := s.protocolOptions()
		s.send = protocol.NewSender(protocol.RoleServer, &po)
	}
	s.turn.enter(evInit) // nobody else may begin before Init
	srv.enter(s)
	s.mu.Lock() // Shutdown knows s already
	err := s.connect(stream.Wrap(a.Stream))
	if err != nil {
		s.link = noLink{}
	}
	s.mu.Unlock()
	if err != nil {
		s.lost(err)
	}
	return s
}

// config returns what a session keeps of o, shared with the last session when
// it is the same.
func (srv *Server) config(o *Options) *config {
	now := newConfig(srv, o)
	if last := srv.shared.Load(); last != nil && last.equal(&now) {
		return last
	}
	c := new(config)
	*c = now
	if o.Trace == nil {
		c.plain = protocol.NewSender(protocol.RoleServer, &protocol.Options{SkipUTF8: o.SkipUTF8})
	}
	srv.shared.Store(c)
	return c
}

// start runs Init, on this goroutine, and what came behind the request.
func (s *Session) start(early []byte) {
	if len(early) > 0 {
		s.hold()
		s.in.kept = append(bufpool.Get(len(early))[:0], early...)
		s.turn.add(evRead)
	}
	s.mu.Lock()
	s.startTiming()
	s.mu.Unlock()
	s.run(nil, false)
	if l, ok := s.link.(*goLink); ok {
		l.start()
		if over := l.borrowed(); over != nil {
			<-over
		}
	}
}

// refuse answers 503.
func (srv *Server) refuse(w http.ResponseWriter, r *http.Request) {
	after, why := time.Second, "There are as many sessions as this server allows. Try again later."
	if d := srv.drain.Load(); d != nil {
		after, why = d.RetryAfter, "The server is shutting down. Try again in a moment."
	}
	srv.counters.of(0).refused.Add(1)
	w.Header().Set("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	http.Error(w, why, http.StatusServiceUnavailable)
}

// reserve counts a request that may become a session.
func (srv *Server) reserve() bool {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.limit == 0 {
		if srv.limit = srv.MaxSessions; srv.limit == 0 {
			srv.limit = defaultMaxSessions()
		}
	}
	if srv.drain.Load() != nil || srv.limit >= 0 && len(srv.sessions)+srv.opening >= srv.limit {
		return false
	}
	srv.opening++
	return true
}

func (srv *Server) unreserve() {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.opening--
	srv.settle()
}

// enter counts a session that begins.
func (srv *Server) enter(s *Session) {
	srv.mu.Lock()
	s.index = int32(len(srv.sessions))
	srv.sessions = append(srv.sessions, s)
	srv.opening--
	srv.mu.Unlock()
	srv.counters.of(s.shard).opened.Add(1)
	if srv.drain.Load() != nil {
		s.kick(evDrain) // Shutdown did not see it
	}
}

// left forgets a session that has ended.
func (srv *Server) left(s *Session) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if s.timing.idle {
		s.timing.idle = false
		srv.counters.idle(s.shard, false)
	}
	if s.rare.end.forced {
		srv.ended.Forced++
	} else {
		srv.ended.Clean++
	}
	last := len(srv.sessions) - 1
	moved := srv.sessions[last]
	srv.sessions[s.index], moved.index = moved, s.index
	srv.sessions[last] = nil
	srv.sessions = srv.sessions[:last]
	if cap(srv.sessions) > 64 && last < cap(srv.sessions)/4 {
		srv.sessions = append(make([]*Session, 0, cap(srv.sessions)/2), srv.sessions...)
	}
	srv.settle()
}

// settle stops what no session needs any more. srv.mu is held.
func (srv *Server) settle() {
	if len(srv.sessions)+srv.opening > 0 {
		return
	}
	if srv.poller != nil {
		srv.poller = nil
		srv.pollers.Give(srv.drain.Load() == nil)
	}
	if srv.empty != nil {
		close(srv.empty)
		srv.empty = nil
	}
}

// poll returns the poller, nil when there can be none. It is called for a
// session that has entered, so that the poller stays.
func (srv *Server) poll() *poll.Poller {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.poller == nil {
		srv.pollers.Workers = srv.Workers
		srv.poller = srv.pollers.Take()
	}
	return srv.poller
}
