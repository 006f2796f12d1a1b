package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/server"
)

// connection is what the handlers of all paths have in common: it counts what
// comes and goes, and logs it in the end.
type connection struct {
	b            *backend
	remote, path string
	version      string // of HTTP
	hello        bool   // the client wants to hear it
	begun        time.Time

	inMessages, inBytes   int64
	outMessages, outBytes atomic.Int64 // also by the other members of the room
}

// Init says over which version of HTTP the client has come, if it asks: a
// browser's script cannot find out.
func (c *connection) Init(s *server.Session) {
	if c.hello {
		text := "hello over " + c.version
		_ = c.sent(len(text), s.Text(text))
	}
}

// Message counts a message, and forgets it.
func (c *connection) Message(_ *server.Session, m websocket.Message) {
	c.inMessages++
	c.inBytes += int64(len(m.Data))
}

// Info does nothing.
func (c *connection) Info(*server.Session, any) {}

// Relieved reads on.
func (c *connection) Relieved(s *server.Session) { s.SetActive(true) }

// sent counts a message that was sent.
func (c *connection) sent(n int, err error) error {
	if err == nil {
		c.outMessages.Add(1)
		c.outBytes.Add(int64(n))
	}
	return err
}

// Terminate writes the access line.
func (c *connection) Terminate(s *server.Session, r server.Reason) {
	end := ending{remote: c.remote, path: c.path, version: c.version, code: r.Close.Code, err: r.Close}
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("remote", end.remote),
		slog.String("path", end.path),
		slog.String("http", end.version),
		slog.String("subprotocol", s.Subprotocol()),
		slog.Duration("duration", time.Since(c.begun).Round(time.Millisecond)),
		slog.Int64("in_messages", c.inMessages),
		slog.Int64("in_bytes", c.inBytes),
		slog.Int64("out_messages", c.outMessages.Load()),
		slog.Int64("out_bytes", c.outBytes.Load()),
		slog.Int("code", int(end.code)),
	}
	if r.Close.Sent != nil {
		attrs = append(attrs, slog.Int("sent_code", int(r.Close.Sent.Code)))
	}
	var v frame.Violation
	if errors.As(end.err, &v) || r.Close.Received == nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("error", end.err.Error()))
	}
	c.b.log.LogAttrs(c.b.ctx, level, "connection", attrs...)
	if c.b.ended != nil {
		c.b.ended(end)
	}
}

// echo sends every message back.
type echo struct{ *connection }

// Message answers. Nothing more is read from a client that does not take its
// answers, until it has: so it has to wait, and nothing heaps up.
func (c *echo) Message(s *server.Session, m websocket.Message) {
	c.connection.Message(s, m)
	_ = c.sent(len(m.Data), s.Send(websocket.Outgoing{Opcode: m.Type, Data: m.Data}))
	if s.Congested() {
		s.SetActive(false)
	}
}

// The pace of /ticks.
const (
	tickDefault = time.Second
	tickMin     = time.Millisecond
	tickMax     = time.Hour
)

// tickInterval returns the pace that a request asks for.
func tickInterval(r *http.Request) (time.Duration, error) {
	s := r.URL.Query().Get("every")
	if s == "" {
		return tickDefault, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < tickMin || d > tickMax {
		return 0, fmt.Errorf("%q is not an interval from %v to 1h; ask for /ticks?every=500ms", trim(s, 64), tickMin)
	}
	return d, nil
}

// ticker sends the number and the time of each tick.
type ticker struct {
	*connection
	every time.Duration
	timer *time.Timer
	due   time.Time
	n     int
}

// Init winds the clock.
func (c *ticker) Init(s *server.Session) {
	c.connection.Init(s)
	c.due = time.Now().Add(c.every)
	c.timer = time.AfterFunc(c.every, func() { _ = s.Post(nil) })
}

// Info ticks. A client that takes too little misses some.
func (c *ticker) Info(s *server.Session, _ any) {
	now := time.Now()
	if !s.Congested() {
		c.n++
		text := fmt.Sprintf("tick %d %s", c.n, now.UTC().Format(time.RFC3339Nano))
		_ = c.sent(len(text), s.Text(text))
	}
	c.due = c.due.Add(now.Sub(c.due).Truncate(c.every) + c.every)
	c.timer.Reset(time.Until(c.due))
}

// Terminate stops the clock.
func (c *ticker) Terminate(s *server.Session, r server.Reason) {
	c.timer.Stop()
	c.connection.Terminate(s, r)
}

// room is everyone on /broadcast.
type room struct {
	server.Group
	mu sync.Mutex // so that all hear everything in the same order
}

// roomBacklog is what a member may owe, in bytes, before it is dropped as too
// slow: four of the largest messages.
func roomBacklog(maxMessage int64) int {
	if maxMessage == 0 {
		maxMessage = websocket.DefaultMaxMessageSize
	}
	return int(4 * maxMessage)
}

// member relays what it says to everyone in the room, itself included.
type member struct{ *connection }

// Init enters the room.
func (c *member) Init(s *server.Session) {
	c.connection.Init(s)
	c.b.room.Add(s)
}

// Message relays. Nobody waits for a slow member; one that does not hear what
// it says itself has to wait before it says more.
func (c *member) Message(s *server.Session, m websocket.Message) {
	c.connection.Message(s, m)
	p, err := websocket.NewPrepared(m.Type, m.Data)
	if err != nil {
		return // never: it was received
	}
	c.b.room.mu.Lock()
	for to := range c.b.room.Range() {
		_ = to.Request().(*member).sent(len(m.Data), to.SendPrepared(p))
	}
	c.b.room.mu.Unlock()
	if s.Congested() {
		s.SetActive(false)
	}
}
