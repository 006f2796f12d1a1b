package server

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/protocol"
)

// The defaults of [Options], in bytes, messages and durations.
const (
	DefaultIdleTimeout = 60 * time.Second
	DefaultMailbox     = 1024
	DefaultSoftBacklog = 64 << 10
	DefaultHardBacklog = 1 << 20
)

// Options are the settings of one session, as the [Upgrade] function returns
// them. The zero value of each field is its documented default; a negative
// number or duration means no limit. They are copied.
//
// Sessions that follow each other with equal settings share them in memory. So
// make Options once, and not in each call of Upgrade: functions for OnPing and
// OnPong are never equal, and lists only when they are the same ones.
type Options struct {
	// AcceptOptions are those of the opening handshake and of the connection.
	// CloseTimeout, WriteTimeout, KeepAlive, OnPing, OnPong and Trace mean here
	// what they mean for a Conn. Logger is told of panics; default the
	// Server's. OnEnd is for a Conn made by [Session.Detach]: of the end of a
	// session its handler's Terminate is told.
	websocket.AcceptOptions

	// IdleTimeout ends a session from which nothing has come for so long, with
	// 1000 and [ReasonTimeout]. Any byte counts. It is measured in tenths, so
	// it may come up to a tenth early. Nothing is read while a callback blocks,
	// or after SetActive(false), and the time runs on. Default 60 s.
	IdleTimeout time.Duration

	// PingIdle sends a ping to a peer that was silent for half of IdleTimeout:
	// one that lives answers, and is kept.
	PingIdle bool

	// AuthTimeout ends a session with 1008 unless its handler has called
	// [Session.Authenticated] by then. Default none.
	AuthTimeout time.Duration

	// HibernateAfter calls [Session.Hibernate] on a session from which nothing
	// has come for so long. Default never.
	HibernateAfter time.Duration

	// RequestFilter returns what [Session.Request] keeps of the request. By
	// default it is a *[Request].
	RequestFilter func(r *http.Request) any

	// Mailbox is how many values may wait for Info. Default 1024.
	Mailbox int

	// Backlog says what happens when a peer takes less than it is sent.
	Backlog Backlog
}

// Backlog is about what a session owes its peer: the bytes of messages that
// were sent and that the kernel has not taken.
type Backlog struct {
	// Soft is how much may be owed before [Session.Congested] says so, so that
	// a program can send less. Default 64 KiB.
	Soft int

	// Hard is how much may be owed at all. A message that would lead beyond it
	// meets Policy; one that is larger itself is taken when nothing is owed.
	// Default 1 MiB.
	Hard int

	// Policy says what becomes of a session above Hard. Default PolicyClose.
	Policy Policy
}

// Policy says what becomes of a session that owes its peer too much.
type Policy uint8

// The policies of a [Backlog].
const (
	// PolicyClose gives the peer up: what it has not begun to take is dropped,
	// and the session ends with 1013 and [ErrSlowPeer].
	PolicyClose Policy = iota

	// PolicyDropNewest drops the message that is too much; the call that sent
	// it returns [ErrBackpressure].
	PolicyDropNewest

	// PolicyDropOldest drops the messages that wait longest.
	PolicyDropOldest

	// PolicyLatest is for [Session.SendKeyed]: of the messages that wait, only
	// the latest of each key is kept. What is too much all the same is dropped
	// as by PolicyDropNewest.
	PolicyLatest
)

// Request is what is kept of a session's request where no RequestFilter says
// otherwise.
type Request struct {
	Method     string
	Proto      string // "HTTP/1.1"
	URL        string // as the client sent it, "/chat?room=1"
	RemoteAddr string
}

func filterRequest(r *http.Request) any {
	return &Request{Method: r.Method, Proto: r.Proto, URL: r.RequestURI, RemoteAddr: r.RemoteAddr}
}

// config is what a session keeps of its options. Sessions with equal options
// share one.
type config struct {
	srv       *Server
	plain     *protocol.Sender // of all sessions without compression, nil when each needs its own
	conn      websocket.ConnOptions
	idle      time.Duration // negative: never
	auth      time.Duration
	hibernate time.Duration
	closing   time.Duration
	writing   time.Duration // 0: no limit
	pingIdle  bool
	mailbox   int // negative: no limit
	backlog   Backlog
}

func newConfig(srv *Server, o *Options) config {
	c := config{
		srv:       srv,
		conn:      o.ConnOptions,
		idle:      cmp.Or(o.IdleTimeout, DefaultIdleTimeout),
		auth:      max(o.AuthTimeout, 0),
		hibernate: max(o.HibernateAfter, 0),
		closing:   cmp.Or(o.CloseTimeout, websocket.DefaultCloseTimeout),
		writing:   max(cmp.Or(o.WriteTimeout, websocket.DefaultWriteTimeout), 0),
		pingIdle:  o.PingIdle,
		mailbox:   cmp.Or(o.Mailbox, DefaultMailbox),
		backlog:   o.Backlog,
	}
	c.backlog.Soft = cmp.Or(c.backlog.Soft, DefaultSoftBacklog)
	c.backlog.Hard = cmp.Or(c.backlog.Hard, DefaultHardBacklog)
	return c
}

// equal reports whether the two say the same, as far as that can be told:
// functions can't be compared.
func (c *config) equal(d *config) bool {
	a, b := &c.conn, &d.conn
	return c.idle == d.idle && c.auth == d.auth && c.hibernate == d.hibernate &&
		c.closing == d.closing && c.writing == d.writing && c.pingIdle == d.pingIdle &&
		c.mailbox == d.mailbox && c.backlog == d.backlog &&
		a.MaxMessageSize == b.MaxMessageSize && a.MaxFragments == b.MaxFragments && a.MaxControls == b.MaxControls &&
		a.WriteTimeout == b.WriteTimeout && a.CloseTimeout == b.CloseTimeout &&
		a.KeepAlive == b.KeepAlive && a.SkipUTF8 == b.SkipUTF8 && a.Logger == b.Logger &&
		sameSlice(a.Subprotocols, b.Subprotocols) && sameSlice(a.Extensions, b.Extensions) &&
		a.OnPing == nil && b.OnPing == nil && a.OnPong == nil && b.OnPong == nil && a.OnEnd == nil && b.OnEnd == nil && a.Trace == b.Trace
}

// sameSlice reports whether the two are one, or both empty.
func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// logger returns where a session's troubles are told.
func (c *config) logger() *slog.Logger {
	switch {
	case c.conn.Logger != nil:
		return c.conn.Logger
	case c.srv.Logger != nil:
		return c.srv.Logger
	}
	return slog.Default()
}
