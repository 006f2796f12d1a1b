package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

const patience = 20 * time.Second

// chat is a server under test.
type chat struct {
	addr  string
	hub   *hub
	log   lines
	stop  context.CancelFunc
	ended chan error
}

// lines is a log.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// want waits for a line that has all of the words.
func (l lines) want(t *testing.T, words ...string) {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case line := <-l:
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return
			}
		case <-late:
			t.Fatalf("the log never says %q", words)
		}
	}
}

func start(t *testing.T) *chat {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &chat{addr: ln.Addr().String(), log: make(lines, 4096), ended: make(chan error, 1)}
	c.hub = newHub(slog.New(slog.NewTextHandler(c.log, nil)))
	c.hub.burst = 1e9
	var ctx context.Context
	ctx, c.stop = context.WithCancel(context.Background())
	go func() { c.ended <- serve(ctx, ln, c.hub, 20*time.Millisecond) }()
	t.Cleanup(func() { c.end(t) })
	return c
}

// end drains the server, once.
func (c *chat) end(t *testing.T) {
	t.Helper()
	c.stop()
	select {
	case err := <-c.ended:
		if err != nil {
			t.Errorf("the server ended with %v", err)
		}
		c.ended <- nil
	case <-time.After(patience):
		t.Fatal("the server does not end")
	}
}

// person is a client.
type person struct {
	t    *testing.T
	conn *websocket.Conn
	tcp  *net.TCPConn
}

// open connects; small is the receive buffer of a client that takes little.
func (c *chat) open(t *testing.T, query url.Values, small bool) *person {
	t.Helper()
	p := &person{t: t}
	conn, err := websocket.Dial(t.Context(), "ws://"+c.addr+"/ws?"+query.Encode(), &websocket.DialOptions{
		NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			var d net.Dialer
			nc, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			p.tcp = nc.(*net.TCPConn)
			if small {
				err = p.tcp.SetReadBuffer(4 << 10)
			}
			return nc, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.conn = conn
	t.Cleanup(func() { conn.CloseNow() })
	return p
}

// join connects and waits for the welcome.
func (c *chat) join(t *testing.T, room, name string) (*person, event) {
	t.Helper()
	p := c.open(t, url.Values{"room": {room}, "name": {name}}, false)
	return p, p.next("welcome")
}

func (p *person) read() (event, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	var e event
	_, b, err := p.conn.Read(ctx)
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	return e, err
}

// next returns the next event of one of the types.
func (p *person) next(types ...string) event {
	p.t.Helper()
	for {
		e, err := p.read()
		if err != nil {
			p.t.Fatalf("waiting for %q: %v", types, err)
		}
		if slices.Contains(types, e.Type) {
			return e
		}
	}
}

// until waits for a list of names of one type.
func (p *person) until(kind string, names ...string) {
	p.t.Helper()
	for !slices.Equal(p.next(kind).Names, names) {
		continue
	}
}

// code returns the close code that ends the connection.
func (p *person) code() websocket.StatusCode {
	for {
		if _, err := p.read(); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

func (p *person) send(kind, text string, on bool) {
	p.t.Helper()
	b, err := json.Marshal(map[string]any{"type": kind, "text": text, "on": on, "ref": "r:" + text[:min(8, len(text))]})
	if err == nil {
		err = p.conn.Write(p.t.Context(), websocket.MessageText, b)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) say(text string) { p.t.Helper(); p.send("say", text, false) }

func TestRoomsAreSeparate(t *testing.T) {
	c := start(t)
	ada, _ := c.join(t, "go", "Ada")
	eve, _ := c.join(t, "rust", "Eve")
	bob, welcome := c.join(t, " GO ", "Bob")
	if !slices.Equal(welcome.Names, []string{"Ada", "Bob"}) || welcome.Room != "go" {
		t.Errorf("Bob is welcomed with %+v", welcome)
	}
	ada.until("here", "Ada", "Bob")
	ada.say("to go")
	eve.say("to rust")
	for p, want := range map[*person]event{
		ada: {Name: "Ada", Text: "to go"}, bob: {Name: "Ada", Text: "to go"}, eve: {Name: "Eve", Text: "to rust"},
	} {
		if got := p.next("say"); got.Name != want.Name || got.Text != want.Text || got.Ref != "r:"+want.Text || got.ID == 0 {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	bob.conn.Close(websocket.StatusNormalClosure, "bye")
	ada.until("here", "Ada")
	c.log.want(t, "leave", "name=Bob", "remote", "1000", "bye")
}

func TestHistory(t *testing.T) {
	c := start(t)
	ada, welcome := c.join(t, "go", "Ada")
	if len(welcome.History) != 0 {
		t.Errorf("a new room has the history %s", welcome.History)
	}
	for n := range historyLength + 10 {
		ada.say(fmt.Sprint("message ", n))
		ada.next("say")
	}
	_, welcome = c.join(t, "go", "Bob")
	last := int64(0)
	for n, raw := range welcome.History {
		var e event
		if err := json.Unmarshal(raw, &e); err != nil || e.Text != fmt.Sprint("message ", n+10) || e.ID <= last {
			t.Fatalf("%d in the history is %s, %v", n, raw, err)
		}
		last = e.ID
	}
	if len(welcome.History) != historyLength {
		t.Errorf("the history has %d messages, want %d", len(welcome.History), historyLength)
	}
	for range historyLength {
		ada.say(strings.Repeat("x", maxText))
		ada.next("say")
	}
	_, welcome = c.join(t, "go", "Cid")
	size := 0
	for _, raw := range welcome.History {
		size += len(raw)
	}
	if size > historyBytes || size < historyBytes-2*maxText {
		t.Errorf("the history has %d bytes, want %d or a little less", size, historyBytes)
	}
	// It outlives the members.
	ada.conn.Close(websocket.StatusNormalClosure, "")
	if _, welcome := c.join(t, "go", "Dan"); len(welcome.History) == 0 {
		t.Error("the history is gone")
	}
}

func TestNames(t *testing.T) {
	c := start(t)
	long := strings.Repeat("é", maxName)
	for _, tt := range []struct{ name, room, got string }{
		{"Ada", "go", "Ada"},
		{" ada\t", "go", "ada 2"},
		{"Ada", "go", "Ada 3"},
		{"Ada  Lovelace", "go", "Ada Lovelace"},
		{"Ada", "other", "Ada"},
		{long, "go", long},
		{long, "go", long[:2*(maxName-2)] + " 2"},
		{"", "go", ""},
		{"  ", "go", ""},
		{"Ada", "", ""},
		{long + "e", "go", ""},
		{"Ada", long + "e", ""},
		{"A\x00da", "go", ""},
		{"Ada\u200b", "go", ""}, // a space of no width
		{"\u202eadA", "go", ""}, // written from right to left
		{"A\xffda", "go", ""},   // not UTF-8
	} {
		p := c.open(t, url.Values{"room": {tt.room}, "name": {tt.name}}, false)
		if tt.got == "" {
			if code := p.code(); code != statusBadName {
				t.Errorf("%q in %q: closed with %d, want %d", tt.name, tt.room, code, statusBadName)
			}
		} else if got := p.next("welcome").Name; got != tt.got {
			t.Errorf("%q in %q is called %q, want %q", tt.name, tt.room, got, tt.got)
		}
	}
}

// A page that comes back has its name again, and nobody sees it go.
func TestRejoin(t *testing.T) {
	c := start(t)
	bob, _ := c.join(t, "go", "Bob")
	query := url.Values{"room": {"go"}, "name": {"Ada"}, "key": {"secret"}}
	old := c.open(t, query, false)
	old.next("welcome")
	bob.until("here", "Ada", "Bob")
	again := c.open(t, query, false)
	if got := again.next("welcome"); got.Name != "Ada" || !slices.Equal(got.Names, []string{"Ada", "Bob"}) {
		t.Errorf("who came back is welcomed with %+v", got)
	}
	if code := old.code(); code != statusReplaced {
		t.Errorf("the old connection was closed with %d, want %d", code, statusReplaced)
	}
	c.log.want(t, "leave", "name=Ada", "stop")
	again.say("here I am")
	for {
		e := bob.next("here", "say")
		if e.Type == "say" {
			break
		}
		if !slices.Equal(e.Names, []string{"Ada", "Bob"}) {
			t.Errorf("Bob sees %q", e.Names)
		}
	}
}

func TestTyping(t *testing.T) {
	c := start(t)
	ada, _ := c.join(t, "go", "Ada")
	bob, _ := c.join(t, "go", "Bob")
	ada.send("typing", "", true)
	bob.until("typing", "Ada")
	bob.send("typing", "", true)
	ada.until("typing", "Ada", "Bob")
	ada.send("typing", "", false)
	ada.until("typing", "Bob")
	bob.say("what I typed")
	ada.until("typing")
	bob.send("typing", "", true)
	ada.until("typing", "Bob")
	bob.conn.CloseNow()
	ada.until("typing")
}

func TestBadMessages(t *testing.T) {
	c := start(t)
	for _, tt := range []struct {
		kind websocket.MessageType
		data string
		want websocket.StatusCode
	}{
		{websocket.MessageBinary, `{"type":"say","text":"hello"}`, websocket.StatusUnsupportedData},
		{websocket.MessageText, "hello", websocket.StatusUnsupportedData},
		{websocket.MessageText, `{"type":"shout"}`, websocket.StatusPolicyViolation},
		{websocket.MessageText, strings.Repeat("x", maxMessage+1), websocket.StatusMessageTooBig},
	} {
		p, _ := c.join(t, "go", "Ada")
		if err := p.conn.Write(t.Context(), tt.kind, []byte(tt.data)); err != nil {
			t.Error(err)
		}
		if code := p.code(); code != tt.want {
			t.Errorf("%.30q: closed with %d, want %d", tt.data, code, tt.want)
		}
	}
	p, _ := c.join(t, "go", "Ada")
	for text, want := range map[string]string{
		strings.Repeat("x", maxText+1):    "",
		" \r\n ":                          "",
		" <b>a\x1b[1m\r\n\tb\u0085\x00c ": "<b>a[1m\n\tbc",
	} {
		p.say(text)
		if e := p.next("say", "error"); want == "" && (e.Type != "error" || e.Ref == "") || want != "" && e.Text != want {
			t.Errorf("%.30q is answered by %+v", text, e)
		}
	}
}

// Who floods a room is closed.
func TestFlood(t *testing.T) {
	c := start(t)
	c.hub.burst = talkBurst
	p, _ := c.join(t, "go", "Ada")
	for range 2 * talkBurst {
		p.conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"typing","on":true}`)) // the last ones may fail
	}
	if code := p.code(); code != websocket.StatusPolicyViolation {
		t.Errorf("closed with %d", code)
	}
}

// A connection that is gone without a close frame is noticed at once, whether
// its process was killed or its host has reset it.
func TestLoss(t *testing.T) {
	for name, lose := range map[string]func(*net.TCPConn) error{
		"killed": (*net.TCPConn).Close,
		"reset":  func(c *net.TCPConn) error { c.SetLinger(0); return c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			ada, _ := c.join(t, "go", "Ada")
			bob, _ := c.join(t, "go", "Bob")
			ada.until("here", "Ada", "Bob")
			if err := lose(bob.tcp); err != nil {
				t.Fatal(err)
			}
			ada.until("here", "Ada")
			c.log.want(t, "leave", "name=Bob", "closed")
		})
	}
}

// stall lets somebody in who reads nothing, and has Ada say so much that the
// server owes it something.
func stall(t *testing.T, c *chat) (ada, slow *person) {
	t.Helper()
	ada, _ = c.join(t, "go", "Ada")
	slow = c.open(t, url.Values{"room": {"go"}, "name": {"Slow"}}, true)
	ada.until("here", "Ada", "Slow")
	c.hub.mu.Lock()
	r := c.hub.rooms["go"]
	c.hub.mu.Unlock()
	r.mu.Lock()
	s := r.members["slow"].session
	r.mu.Unlock()
	for s.Backlog() < backlog/8 {
		ada.say(strings.Repeat("x", maxText))
		ada.next("say")
	}
	return ada, slow
}

// What nobody needs any more does not wait for a slow member.
func TestOnlyTheLatestTypingWaits(t *testing.T) {
	c := start(t)
	ada, slow := stall(t, c)
	bob, _ := c.join(t, "go", "Bob")
	const times = 500
	for n := range times {
		bob.send("typing", "", n%2 == 0)
	}
	bob.send("typing", "", true)
	bob.say("typed")
	for e := ada.next("say"); e.Text != "typed"; e = ada.next("say") {
		continue
	}
	bob.send("typing", "", true)
	ada.until("typing", "Bob")
	ada.say("the end")
	ada.next("say")
	if err := slow.tcp.SetReadBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	got, last := 0, event{}
	for e := slow.next("typing", "say"); e.Text != "the end"; e = slow.next("typing", "say") {
		if e.Type == "typing" {
			got, last = got+1, e
		}
	}
	if got > times/4 || len(last.Names) != 1 {
		t.Errorf("the slow member saw %d of %d lists of who types, the last %q", got, times, last.Names)
	}
}

// A member that takes nothing does not hold up the room: it is closed with 1013
// when too much is owed.
func TestSlowMember(t *testing.T) {
	c := start(t)
	ada, _ := stall(t, c)
	for gone := false; !gone; {
		ada.say(strings.Repeat("x", maxText))
		for {
			e := ada.next("say", "here")
			gone = gone || slices.Equal(e.Names, []string{"Ada"})
			if e.Type == "say" {
				break
			}
		}
	}
	c.log.want(t, "leave", "name=Slow", "takes too little")
}

func TestDrain(t *testing.T) {
	c := start(t)
	ada, _ := c.join(t, "go", "Ada")
	bob, _ := c.join(t, "rust", "Bob")
	c.stop()
	for _, p := range []*person{ada, bob} {
		if code := p.code(); code != websocket.StatusGoingAway {
			t.Errorf("closed with %d, want 1001", code)
		}
	}
	c.end(t)
	c.log.want(t, "leave", "shutdown")
	c.log.want(t, "drained", "clean=2", "forced=0")
	if _, err := websocket.Dial(t.Context(), "ws://"+c.addr+"/ws", nil); err == nil {
		t.Error("the server still takes connections")
	}
}

func TestRoomsAreBounded(t *testing.T) {
	h := newHub(slog.New(slog.DiscardHandler))
	begin := time.Now()
	for n := range maxRooms {
		name := fmt.Sprint(n)
		h.rooms[name] = &room{name: name, left: begin.Add(time.Duration((n+1)%maxRooms) * time.Second)}
	}
	if !h.makePlace() || len(h.rooms) != maxRooms-1 || h.rooms[fmt.Sprint(maxRooms-1)] != nil {
		t.Errorf("%d rooms are left; the one quiet for longest is there: %t", len(h.rooms), h.rooms[fmt.Sprint(maxRooms-1)] != nil)
	}
	h.rooms["one more"] = &room{}
	for _, r := range h.rooms {
		r.members = map[string]*member{"someone": {}}
	}
	if code, err := h.join(&member{name: "Ada", want: "new"}); code != websocket.StatusTryAgainLater {
		t.Errorf("a room too many gives %d, %v", code, err)
	}
	full := h.rooms["one more"]
	for n := range maxMembers {
		full.members[fmt.Sprint(n)] = &member{}
	}
	if code, err := h.join(&member{name: "Ada", want: "one more"}); code != websocket.StatusTryAgainLater {
		t.Errorf("a member too many gives %d, %v", code, err)
	}
}

// The page shows what others wrote as text, never as HTML.
func TestPage(t *testing.T) {
	c := start(t)
	get := func(path string) (*http.Response, string) {
		t.Helper()
		tr := &http.Transport{DisableKeepAlives: true}
		resp, err := (&http.Client{Transport: tr}).Get("http://" + c.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(b)
	}
	resp, body := get("/")
	if resp.StatusCode != http.StatusOK || body != page || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "script-src 'sha256-") {
		t.Errorf("/ is answered by %d with %q", resp.StatusCode, resp.Header)
	}
	for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "src=", "@import"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	if resp, _ := get("/elsewhere"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("another path is answered by %d", resp.StatusCode)
	}
	if resp, _ := get("/ws"); resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("/ws without an upgrade is answered by %d", resp.StatusCode)
	}
}
