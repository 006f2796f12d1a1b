// Chat is a server of chat rooms, and the page to use them.
//
//	go run ./examples/chat
//
// Open the address that it prints in two windows, with two names. The page
// shows who is here and who is typing, has the last messages of the room for
// those who come, and joins again by itself when the connection is lost: stop
// the server and start it again to see that. Ctrl-C or SIGTERM sends everyone
// away with 1001 before the server ends, spread over the time of -drain.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// What one member, one room and all of them may cost.
const (
	maxName       = 24       // characters of a name, of a person or a room
	maxText       = 4 << 10  // bytes of what somebody says
	maxMessage    = 8 << 10  // bytes of a message from a page: a text as JSON
	maxMembers    = 200      // of a room
	maxRooms      = 256      // with members, or remembered for their history
	historyLength = 50       // messages of a room that are kept
	historyBytes  = 64 << 10 // of them, at most
	backlog       = 256 << 10
)

// Close codes of this program, which the page knows (4000 to 4999 are free for
// such use: RFC 6455, section 7.4.2).
const (
	statusBadName  websocket.StatusCode = 4400 // the page asks for another name
	statusReplaced websocket.StatusCode = 4409 // the page has joined anew on another connection
)

//go:embed index.html
var page string

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on; port 0 takes one that is free")
	over := flag.Duration("drain", 2*time.Second, "`time` over which members are sent away at the end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v\nTry another address, or -addr 127.0.0.1:0 for a port that is free.\n", err)
		os.Exit(1)
	}
	fmt.Printf("Open http://%s/ in two windows. Ctrl-C ends the server.\n", visible(ln.Addr()))
	if err := serve(ctx, ln, newHub(slog.Default()), *over); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// visible returns what a browser on this machine calls an address.
func visible(addr net.Addr) string {
	if a, ok := addr.(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", a.Port)
	}
	return addr.String()
}

// serve runs the chat on ln until ctx ends, and then drains it.
func serve(ctx context.Context, ln net.Listener, h *hub, over time.Duration) error {
	ws := server.New(h.upgrade)
	ws.Logger = h.log
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", servePage)
	mux.Handle("/ws", ws)
	hs := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: websocket.DefaultReadHeaderTimeout,
		MaxHeaderBytes:    websocket.DefaultMaxHeaderBytes,
	}
	failed := make(chan error, 1)
	go func() { failed <- hs.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	h.log.Info("draining", "over", over)
	report, err := drain(hs, ws, over)
	h.log.Info("drained", "clean", report.Clean, "forced", report.Forced)
	return err
}

// drain ends a server without a stampede. While it runs, those who want to
// connect get 503; each session gets 1001 at a moment of its own within over,
// and what it had sent before is still answered. Then net/http, which does not
// know of these sessions, ends as well. What is left after ten more seconds is
// closed hard.
func drain(hs *http.Server, ws *server.Server, over time.Duration) (server.Report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), over+10*time.Second)
	defer cancel()
	report, err := ws.Shutdown(ctx, &server.Drain{
		Over:       over,
		Reason:     "the server is restarting",
		RetryAfter: over + time.Second,
	})
	return report, errors.Join(err, hs.Shutdown(ctx))
}

// servePage answers with the page, which may run its own script and no other.
func servePage(w http.ResponseWriter, _ *http.Request) {
	_, script, _ := strings.Cut(page, "<script>")
	script, _, _ = strings.Cut(script, "</script>")
	sum := sha256.Sum256([]byte(script))
	w.Header().Set("Content-Security-Policy", "default-src 'none'; connect-src 'self' ws: wss:; img-src data:; "+
		"style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "+
		"script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, page)
}

// hub is all rooms.
type hub struct {
	log     *slog.Logger
	options server.Options
	burst   float64 // messages a member may send at once; see mayTalk

	mu    sync.Mutex // comes before a room's
	rooms map[string]*room
}

func newHub(log *slog.Logger) *hub {
	h := &hub{log: log, burst: talkBurst, rooms: make(map[string]*room)}
	h.options.MaxMessageSize = maxMessage
	h.options.IdleTimeout = 40 * time.Second
	h.options.PingIdle = true // who still answers stays
	// Who does not take what is said is closed with 1013, and has the history
	// when the page has joined again. Nobody waits for them.
	h.options.Backlog = server.Backlog{Soft: backlog / 4, Hard: backlog, Policy: server.PolicyClose}
	return h
}

// upgrade takes any request for a WebSocket: /ws?room=go&name=Ada&key=… What is
// wrong with it is said in a close frame, since a page can't see the answer to
// a handshake that is refused.
func (h *hub) upgrade(_ http.ResponseWriter, r *http.Request) (server.Handler, *server.Options) {
	q := r.URL.Query()
	return &member{
		hub:  h,
		name: strings.Join(strings.Fields(q.Get("name")), " "),
		key:  q.Get("key"),
		want: strings.ToLower(strings.Join(strings.Fields(q.Get("room")), " ")),
	}, &h.options
}

// member is the handler of one session: one person in one room.
type member struct {
	server.NopHandler
	hub     *hub
	want    string // the room asked for
	key     string // of the page, secret: who has it takes over a session of the same name
	room    *room  // nil before joining, and when that was refused
	session *server.Session
	allowed float64   // messages it may send now; of callbacks only
	counted time.Time // when that was so

	name   string // unique in the room; room.mu guards what follows, once joined
	typing bool
}

// event is what the page is told.
type event struct {
	Type    string            `json:"type"` // welcome, say, here, typing or error
	ID      int64             `json:"id,omitempty"`
	At      int64             `json:"at,omitempty"` // milliseconds since 1970
	Name    string            `json:"name,omitempty"`
	Text    string            `json:"text,omitempty"`
	Ref     string            `json:"ref,omitempty"` // what the page that said it calls it
	Room    string            `json:"room,omitempty"`
	Names   []string          `json:"names,omitempty"`
	History []json.RawMessage `json:"history,omitempty"`
}

func (e event) encode() []byte {
	b, err := json.Marshal(e)
	if err != nil {
		panic(err) // it consists of strings and numbers
	}
	return b
}

// Init joins the room.
func (m *member) Init(s *server.Session) {
	m.session = s
	code, err := m.hub.join(m)
	if err != nil {
		m.hub.log.Info("refused", "room", m.want, "name", m.name, "peer", s.RemoteAddr(), "why", err)
		s.Close(code, err.Error())
		return
	}
	m.hub.log.Info("join", "room", m.room.name, "name", m.name, "peer", s.RemoteAddr())
}

// What a member may send: each message goes to a whole room.
const (
	talkBurst = 30 // messages
	talkRate  = 10 // a second
)

// mayTalk counts a message, and reports whether it may be.
func (m *member) mayTalk() bool {
	now := time.Now()
	if m.counted.IsZero() {
		m.allowed = m.hub.burst
	} else {
		m.allowed = min(m.allowed+talkRate*now.Sub(m.counted).Seconds(), m.hub.burst)
	}
	m.counted = now
	m.allowed--
	return m.allowed >= 0
}

// Message is something said, or news of typing.
func (m *member) Message(s *server.Session, msg websocket.Message) {
	var in struct {
		Type, Text, Ref string
		On              bool
	}
	if m.room == nil {
		return
	}
	if !m.mayTalk() {
		s.Close(websocket.StatusPolicyViolation, "slow down")
		return
	}
	if msg.Type != websocket.MessageText || json.Unmarshal(msg.Data, &in) != nil {
		s.Close(websocket.StatusUnsupportedData, "messages are JSON objects, as text")
		return
	}
	switch in.Type {
	case "say":
		text := cleanText(in.Text)
		if text == "" || len(text) > maxText || len(in.Ref) > 64 {
			e := event{Type: "error", Ref: in.Ref, Text: fmt.Sprintf("A message has 1 to %d bytes.", maxText)}
			s.TextBytes(e.encode())
			return
		}
		m.room.say(m, text, in.Ref)
	case "typing":
		m.room.setTyping(m, in.On)
	default:
		s.Close(websocket.StatusPolicyViolation, "the type of a message is say or typing")
	}
}

// Terminate comes once, whatever ended the session: a page that was closed, a
// process that was killed, a network that is gone.
func (m *member) Terminate(_ *server.Session, r server.Reason) {
	if m.room == nil {
		return
	}
	m.room.leave(m)
	m.hub.log.Info("leave", "room", m.room.name, "name", m.name, "reason", r.String())
}

// join brings m into the room it wants. An error comes with the code to close
// with.
func (h *hub) join(m *member) (websocket.StatusCode, error) {
	if err := checkName("the name", m.name); err != nil {
		return statusBadName, err
	}
	if err := checkName("the name of the room", m.want); err != nil {
		return statusBadName, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[m.want]
	if r == nil {
		if !h.makePlace() {
			return websocket.StatusTryAgainLater, errors.New("there are too many rooms")
		}
		// Numbers go on where those before a restart can't have been.
		r = &room{name: m.want, members: make(map[string]*member), last: time.Now().UnixMicro()}
		h.rooms[m.want] = r
	}
	return r.join(m)
}

// makePlace reports whether there may be one more room. The empty room that was
// quiet for longest is forgotten for it. h.mu is held.
func (h *hub) makePlace() bool {
	if len(h.rooms) < maxRooms {
		return true
	}
	var oldest *room
	var since time.Time
	for _, r := range h.rooms {
		if empty, t := r.quiet(); empty && (oldest == nil || t.Before(since)) {
			oldest, since = r, t
		}
	}
	if oldest == nil {
		return false
	}
	delete(h.rooms, oldest.name)
	return true
}

// room is who is there, and what was said.
//
// Nothing that is done with mu held waits for anybody: what is sent to a
// session is left with it.
type room struct {
	name  string
	group server.Group

	mu      sync.Mutex
	members map[string]*member // by name in lower case
	left    time.Time          // when the last one did
	last    int64              // number of the last message
	history []json.RawMessage
	bytes   int // of the history
}

func (r *room) quiet() (empty bool, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.members) == 0, r.left
}

func (r *room) join(m *member) (websocket.StatusCode, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.members[strings.ToLower(m.name)]; old != nil && m.key != "" && m.key == old.key {
		// The page is back before the loss of its old connection was noticed.
		m.name = old.name
		r.group.Remove(old.session)
		old.session.Close(statusReplaced, "joined again")
	} else if len(r.members) >= maxMembers {
		return websocket.StatusTryAgainLater, errors.New("the room is full")
	} else {
		m.name = r.unique(m.name)
	}
	r.members[strings.ToLower(m.name)] = m
	m.room = r
	welcome := event{Type: "welcome", Room: r.name, Name: m.name, Names: r.names(all), History: r.history}
	m.session.TextBytes(welcome.encode())
	r.group.Add(m.session)
	r.tell("here", all)
	r.tell("typing", typing)
	return 0, nil
}

// unique adds a number to a name that is taken.
func (r *room) unique(name string) string {
	free, letters := name, []rune(name)
	for n := 2; r.members[strings.ToLower(free)] != nil; n++ {
		number := fmt.Sprintf(" %d", n)
		free = string(letters[:min(len(letters), maxName-len(number))]) + number
	}
	return free
}

func (r *room) leave(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := strings.ToLower(m.name); r.members[at] == m {
		delete(r.members, at)
	}
	r.left = time.Now()
	r.tell("here", all)
	if m.typing {
		r.tell("typing", typing)
	}
}

// say keeps a message and sends it to everyone. The frame is built once.
func (r *room) say(m *member, text, ref string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	e := event{Type: "say", ID: r.last, At: time.Now().UnixMilli(), Name: m.name, Text: text, Ref: ref}
	b := e.encode()
	r.history = append(r.history, b)
	r.bytes += len(b)
	for len(r.history) > historyLength || r.bytes > historyBytes {
		r.bytes -= len(r.history[0])
		r.history = slices.Delete(r.history, 0, 1)
	}
	if p, err := websocket.NewPrepared(websocket.MessageText, b); err == nil {
		r.group.Broadcast(p)
	}
	if m.typing {
		m.typing = false
		r.tell("typing", typing)
	}
}

func (r *room) setTyping(m *member, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.typing != on {
		m.typing = on
		r.tell("typing", typing)
	}
}

// tell sends everyone a list of members. Of each kind only the latest is of
// use: one that has not left yet for a slow member is replaced.
func (r *room) tell(kind string, which func(*member) bool) {
	e := event{Type: kind, Names: r.names(which)}
	out := websocket.TextBytes(e.encode())
	for _, m := range r.members {
		m.session.SendKeyed(kind, out)
	}
}

func (r *room) names(which func(*member) bool) (names []string) {
	for _, m := range r.members {
		if which(m) {
			names = append(names, m.name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return names
}

func all(*member) bool      { return true }
func typing(m *member) bool { return m.typing }

// checkName wants characters that can be seen, so that no name passes for
// another by what is invisible in it.
func checkName(what, name string) error {
	switch n := utf8.RuneCountInString(name); {
	case n == 0 || n > maxName:
		return fmt.Errorf("%s has %d characters, not 1 to %d", what, n, maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }):
		return fmt.Errorf("%s has characters that can't be seen", what)
	}
	return nil
}

// cleanText takes away control characters but line ends and tabs, and the space
// around the text.
func cleanText(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\n' && c != '\t' {
			return -1
		}
		return c
	}, s))
}
