package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/wstest"
)

// describe tells an event in a line.
func describe(ev client.Event) string {
	switch ev := ev.(type) {
	case client.Attempt:
		return fmt.Sprint("attempt ", ev.N)
	case client.AttemptFailed:
		return fmt.Sprint("attempt failed ", ev.N)
	case client.Up:
		return fmt.Sprint("up ", ev.Protocol)
	case client.Down:
		return fmt.Sprint("down ", ev.Killed, " lost ", ev.Err != nil)
	case client.GaveUp:
		return "gave up"
	case client.Upgraded:
		return fmt.Sprint("upgraded ", ev.Ref, " ", ev.Subprotocol)
	case client.Message:
		return fmt.Sprint("message ", ev.Ref, " ", ev.Type, " ", string(ev.Data))
	case client.Closed:
		return fmt.Sprintf("closed %d %d", ev.Ref, ev.Err.Code)
	case client.Response:
		return fmt.Sprint("response ", ev.Ref, " ", ev.Status, " end ", ev.End)
	case client.Body:
		return fmt.Sprintf("body %d %q end %v", ev.Ref, ev.Data, ev.End)
	case client.Failure:
		return fmt.Sprint("failure ", ev.Ref)
	}
	return fmt.Sprintf("%T", ev)
}

// newOwner returns an owner that ends with the test.
func newOwner(t *testing.T, capacity int) *client.Owner {
	t.Helper()
	o := client.NewOwner(capacity)
	t.Cleanup(o.Close)
	return o
}

// next receives so many events.
func next(o *client.Owner, count int) (list []string) {
	for range count {
		list = append(list, describe(<-o.C))
	}
	return list
}

// until receives events up to the first one of a kind, which it returns as well.
func until[E client.Event](t *testing.T, o *client.Owner) (list []string, last E) {
	t.Helper()
	for ev := range o.C {
		list = append(list, describe(ev))
		if e, ok := ev.(E); ok {
			return list, e
		}
	}
	t.Fatalf("the events ended without a %T: %q", last, list)
	return nil, last
}

// rest receives what is there.
func rest(o *client.Owner) []string {
	synctest.Wait()
	return next(o, len(o.C))
}

// S0.12, S0.22, S1.6, S1.7, S1.14: the owner is told of the whole life of a
// connection: of the upgrade with the response's header, and of every message.
func TestOwnerLife(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		o := newOwner(t, 0)
		ln := newNet(t, site())
		c := open(t, ln, &client.Options{Owner: o, Protocols: []client.Protocol{p}})
		same(t, next(o, 2), []string{"attempt 1", "up " + p.String()})
		s, err := c.Upgrade(t.Context(), "/ws", &client.UpgradeOptions{Subprotocols: []client.Subprotocol{{Name: "chat"}}})
		if err != nil {
			t.Fatal(err)
		}
		ev := (<-o.C).(client.Upgraded)
		if ev.Of() != c || ev.Ref != 1 || ev.Socket != s || ev.Subprotocol != "chat" || ev.Header.Get("Sec-WebSocket-Protocol") != "chat" {
			t.Errorf("upgraded: %+v", ev)
		}
		if err := s.WriteBatch(t.Context(), websocket.Text("one"), websocket.Binary([]byte("two")), websocket.CloseFrame(4000, "")); err != nil {
			t.Fatal(err)
		}
		same(t, next(o, 3), []string{"message 1 text one", "message 1 binary two", "closed 1 4000"})
		if p == client.HTTP2 {
			if err := c.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
		<-c.Done()
		same(t, rest(o), []string{"down [] lost false"})
	})
}

// S0.13, S0.14: a refusal is a Response, with its body.
func TestOwnerRefusal(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		o := newOwner(t, 0)
		c := open(t, newNet(t, site()), &client.Options{Owner: o, Protocols: []client.Protocol{p}})
		if _, err := c.Upgrade(t.Context(), "/refuse", nil); err == nil {
			t.Fatal("not refused")
		}
		same(t, rest(o), []string{"attempt 1", "up " + p.String(), "response 1 403 end false", `body 1 "members only\n" end true`})
	})
}

// S0.15: what is no answer to an upgrade is a Failure, as one over HTTP/1.0 is.
func TestOwnerFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := wstest.NewListener(nil)
		served := make(chan struct{})
		go func() {
			defer close(served)
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			buf := make([]byte, 4096)
			conn.Read(buf)
			io.WriteString(conn, "HTTP/1.0 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
			conn.Read(buf)
		}()
		o := newOwner(t, 0)
		c := open(t, ln, &client.Options{Owner: o, Retry: -1})
		_, err := c.Upgrade(t.Context(), "/ws", nil)
		if !errors.Is(err, handshake.ErrHTTPVersion) {
			t.Errorf("upgrade: %v, want ErrHTTPVersion", err)
		}
		<-c.Done()
		<-served
		list, failure := until[client.Failure](t, o)
		same(t, list, []string{"attempt 1", "up HTTP/1.1", "failure 1"})
		if failure.Err != err {
			t.Errorf("failure: %v, want %v", failure.Err, err)
		}
	})
}

// Requests of an owner: the heads, the pieces of the body, and what fails.
func TestOwnerRequest(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		o := newOwner(t, 0)
		mux := http.NewServeMux()
		mux.HandleFunc("/hints", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			io.WriteString(w, "hello")
		})
		mux.HandleFunc("/none", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		c := open(t, newNet(t, mux), &client.Options{Owner: o, Protocols: []client.Protocol{p}, Retry: -1})
		if list := next(o, 2); list[1] != "up "+p.String() {
			t.Fatal(list)
		}
		request := func(path string) client.Ref {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			ref, err := c.Request(req)
			if err != nil {
				t.Fatal(err)
			}
			return ref
		}
		request("/hints")
		list := rest(o)
		if len(list) < 3 || strings.Join(list[:2], ";") != "response 1 103 end false;response 1 200 end false" {
			t.Errorf("events: %q", list)
		}
		if last := list[len(list)-1]; !strings.HasPrefix(last, "body 1 ") || !strings.HasSuffix(last, "end true") {
			t.Errorf("last event: %q", last)
		}
		request("/none")
		same(t, rest(o), []string{"response 2 204 end true"})
		c.Cancel(request("/hang"))
		list = rest(o)
		if len(list) == 0 || list[0] != "failure 3" {
			t.Errorf("events: %q", list)
		}
	})
}

// An owner's own goroutine may upgrade, also when its channel is full: what it
// is told of that waits in line.
func TestOwnerUpgradesItself(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		o := newOwner(t, 1)
		c := open(t, newNet(t, site()), &client.Options{Owner: o, Protocols: []client.Protocol{p}})
		_, _ = until[client.Up](t, o)
		for range 5 {
			if _, err := c.Upgrade(t.Context(), "/refuse", nil); err == nil {
				t.Fatal("not refused")
			}
		}
		s, err := c.Upgrade(t.Context(), "/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), websocket.MessageText, []byte("Hello!")); err != nil {
			t.Fatal(err)
		}
		list, _ := until[client.Message](t, o)
		if len(list) != 12 || list[9] != `body 5 "members only\n" end true` || list[10] != "upgraded 6 " || list[11] != "message 6 text Hello!" {
			t.Errorf("events: %q", list)
		}
	})
}

// firehose sends numbered messages of 1000 bytes as fast as it may, and says how
// many it could.
func firehose(count int, sent chan<- int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{WriteTimeout: -1}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		for n := range count {
			if err := c.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, "%-1000d", n)); err != nil {
				break
			}
			sent <- n + 1
		}
		c.Close(websocket.StatusNormalClosure, "")
	})
}

// Full means that reading stops, and that stops the peer: Gun's flow.
func TestOwnerBackPressure(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		const count = 3000
		sent := make(chan int, count)
		o := newOwner(t, 3)
		c := open(t, newNet(t, firehose(count, sent)), &client.Options{Owner: o, Protocols: []client.Protocol{p}})
		if _, err := c.Upgrade(t.Context(), "/", nil); err != nil {
			t.Fatal(err)
		}
		_, _ = until[client.Upgraded](t, o)
		synctest.Wait()
		if len(sent) > count/2 {
			t.Errorf("the peer could send %d of %d messages to an owner that takes none", len(sent), count)
		}
		for n := range count {
			ev, ok := (<-o.C).(client.Message)
			if want := fmt.Sprintf("%-1000d", n); !ok || string(ev.Data) != want {
				t.Fatalf("message %d is %.40q", n, ev.Data)
			}
		}
		if _, closed := until[client.Closed](t, o); closed.Err.Code != websocket.StatusNormalClosure {
			t.Errorf("ending: %v", closed.Err)
		}
	})
}

// Another owner takes over without a loss, and in order.
func TestSetOwner(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		const count = 100
		sent := make(chan int, count)
		a, b := newOwner(t, 5), newOwner(t, 7)
		c := open(t, newNet(t, firehose(count, sent)), &client.Options{Owner: a, Protocols: []client.Protocol{p}})
		if _, err := c.Upgrade(t.Context(), "/", nil); err != nil {
			t.Fatal(err)
		}
		_, _ = until[client.Upgraded](t, a)
		synctest.Wait()
		c.SetOwner(b)
		n := 0
		for _, o := range []*client.Owner{a, b} {
			for len(o.C) > 0 || o == b {
				ev, ok := (<-o.C).(client.Message)
				if !ok {
					break
				}
				if want := fmt.Sprintf("%-1000d", n); string(ev.Data) != want {
					t.Fatalf("message %d is %.40q", n, ev.Data)
				}
				n++
			}
		}
		if n != count || len(a.C) != 0 {
			t.Errorf("%d messages, want %d", n, count)
		}
	})
}

// The owner's end is a shutdown: the peers of all its connections see 1001.
func TestOwnerEnd(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		const conns = 3
		endings := make(chan error, conns)
		ln := newNet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			for err == nil {
				err = s.Write(r.Context(), websocket.MessageText, []byte("hello"))
				if err == nil {
					_, _, err = s.Read(context.Background())
				}
			}
			endings <- err
		}))
		o := newOwner(t, 1)
		var list []*client.Conn
		for range conns {
			c := open(t, ln, &client.Options{Owner: o, Protocols: []client.Protocol{p}})
			list = append(list, c)
			go func() {
				if _, err := c.Upgrade(t.Context(), "/", nil); err != nil {
					t.Error(err)
				}
			}()
		}
		for range conns {
			_, _ = until[client.Message](t, o)
		}
		o.Close()
		for range conns {
			if err := <-endings; websocket.CloseStatus(err) != websocket.StatusGoingAway {
				t.Errorf("the peer sees %v, want 1001", err)
			}
		}
		<-o.Done()
		for range o.C { // it is closed
		}
		for _, c := range list {
			<-c.Done()
			if c.Err() != nil {
				t.Errorf("Err: %v", c.Err())
			}
		}
		late := open(t, ln, &client.Options{Owner: o, Protocols: []client.Protocol{p}})
		<-late.Done()
	})
}

// Down names what ended with the connection, and nothing else.
func TestKilledNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle("/", site())
		mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		ln := newNet(t, mux)
		o := newOwner(t, 0)
		c := open(t, ln, &client.Options{Owner: o, Protocols: []client.Protocol{client.HTTP2}, Retry: -1})
		var sockets []*websocket.Conn
		for range 3 {
			s, err := c.Upgrade(t.Context(), "/ws", nil)
			if err != nil {
				t.Fatal(err)
			}
			sockets = append(sockets, s)
		}
		for _, path := range []string{"/quick", "/hang"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Request(req); err != nil {
				t.Fatal(err)
			}
		}
		if err := sockets[1].Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		ln.Cut()
		list, down := until[client.Down](t, o)
		if want := []client.Ref{1, 3, 5}; !slices.Equal(down.Killed, want) || down.Err == nil {
			t.Errorf("killed %v, want %v; %v", down.Killed, want, down.Err)
		}
		for _, want := range []string{"closed 1 1006", "closed 2 1000", "closed 3 1006", "failure 5"} {
			if !slices.Contains(list, want) {
				t.Errorf("events %q, want %s before Down", list, want)
			}
		}
		<-c.Done()
		same(t, rest(o), []string{"gave up"})
	})
}

// Exactly one Down for each Up, with what its sockets had to tell before it.
func TestOneDownForEachUp(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		const rounds = 10
		ln := newNet(t, site())
		o := newOwner(t, 2)
		c := open(t, ln, &client.Options{Owner: o, Protocols: []client.Protocol{p}, Retry: rounds})
		ups, downs, open := 0, 0, 0
		for ev := range o.C {
			switch ev := ev.(type) {
			case client.Up:
				if ups++; ups != downs+1 {
					t.Fatalf("%d times up and %d times down", ups, downs)
				}
				go c.Upgrade(t.Context(), "/ws", nil)
			case client.Upgraded:
				open++
				if err := ev.Socket.Write(t.Context(), websocket.MessageText, []byte("Hello!")); err != nil {
					t.Error(err)
				}
			case client.Message:
				if ups < rounds {
					ln.Cut()
				} else {
					go c.Shutdown(context.Background())
				}
			case client.Closed:
				open--
			case client.Down:
				downs++
				if open != 0 || len(ev.Killed) != 1 && ups < rounds {
					t.Errorf("%d sockets without an end, killed %v", open, ev.Killed)
				}
			}
			if downs == rounds {
				break
			}
		}
		<-c.Done()
		if list := rest(o); len(list) != 0 || ups != rounds {
			t.Errorf("%d times up, and more events: %q", ups, list)
		}
	})
}

// Close does not wait for the owner, and what it has not taken stays in line.
func TestCloseWithFullOwner(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		sent := make(chan int, 100)
		o := newOwner(t, 3)
		c := open(t, newNet(t, firehose(100, sent)), &client.Options{Owner: o, Protocols: []client.Protocol{p}})
		if _, err := c.Upgrade(t.Context(), "/", nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		<-c.Done()
		list, down := until[client.Down](t, o)
		if down.Err != nil || !slices.Equal(down.Killed, []client.Ref{1}) {
			t.Errorf("down: %+v", down)
		}
		if !slices.Equal(list[:3], []string{"attempt 1", "up " + p.String(), "upgraded 1 "}) || list[len(list)-2] != "closed 1 1006" {
			t.Errorf("events: %.60q", list)
		}
	})
}

// Shutdown does not wait for the owner either, only for the peers.
func TestShutdownWithFullOwner(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		ln := newNet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			for range 10 {
				if err := c.Write(context.Background(), websocket.MessageText, []byte("Hello!")); err != nil {
					t.Error(err)
				}
			}
			c.Read(context.Background())
		}))
		o := newOwner(t, 3)
		c := open(t, ln, &client.Options{Owner: o, Protocols: []client.Protocol{p}})
		if _, err := c.Upgrade(t.Context(), "/", nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		start := time.Now()
		if err := c.Shutdown(t.Context()); err != nil || since(start) > time.Second {
			t.Errorf("Shutdown: %v after %v", err, since(start))
		}
		list, _ := until[client.Down](t, o)
		if !slices.Contains(list, "message 1 text Hello!") || list[len(list)-2] != "closed 1 1001" {
			t.Errorf("events: %q", list)
		}
	})
}

// chatHandler is a handler that answers with its name.
type chatHandler struct {
	name string
	s    *websocket.Conn
	end  chan *websocket.CloseError
}

func (h *chatHandler) Message(m websocket.Message) error {
	return h.s.Write(context.Background(), m.Type, append([]byte(h.name+" "), m.Data...))
}

func (h *chatHandler) Closed(err *websocket.CloseError) { h.end <- err }

// S0.10: the subprotocol that the server has chosen decides who handles the
// socket; one without a handler is the owner's, or the user's own.
func TestHandlers(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		mux := http.NewServeMux()
		heard := make(chan string, 10)
		mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
			pick := []string{r.URL.Query().Get("pick")}
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Subprotocols: pick}})
			if err != nil {
				return
			}
			defer c.Close(4000, "")
			if err := c.Write(r.Context(), websocket.MessageText, []byte("Hello!")); err != nil {
				t.Error(err)
			}
			_, m, err := c.Read(context.Background())
			if err != nil {
				t.Error(err)
			}
			heard <- string(m)
		})
		ln := newNet(t, mux)
		end := make(chan *websocket.CloseError, 1)
		handler := func(name string) func(s *websocket.Conn) client.Handler {
			return func(s *websocket.Conn) client.Handler {
				if s.Subprotocol() != name {
					t.Errorf("the handler of %s is asked for %s", name, s.Subprotocol())
				}
				return &chatHandler{name, s, end}
			}
		}
		offer := &client.UpgradeOptions{Subprotocols: []client.Subprotocol{
			{Name: "chat", NewHandler: handler("chat")}, {Name: "news", NewHandler: handler("news")}, {Name: "raw"},
		}}
		o := newOwner(t, 0)
		upgrade := func(owner *client.Owner, pick string) *websocket.Conn {
			c := open(t, ln, &client.Options{Owner: owner, Protocols: []client.Protocol{p}, Retry: -1})
			s, err := c.Upgrade(t.Context(), "/ws?pick="+pick, offer)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		for _, name := range []string{"news", "chat"} {
			upgrade(nil, name)
			if got, want := <-heard, name+" Hello!"; got != want {
				t.Errorf("the server heard %q, want %q", got, want)
			}
			if err := <-end; err.Code != 4000 {
				t.Errorf("ending: %v", err)
			}
		}
		// With an owner too, messages are the handler's; the rest is told to both.
		upgrade(o, "chat")
		<-heard
		<-end
		list := rest(o)
		if !slices.Contains(list, "upgraded 1 chat") || !slices.Contains(list, "closed 1 4000") || strings.Contains(strings.Join(list, ";"), "message") {
			t.Errorf("events: %q", list)
		}
		// No handler: the owner's, or the user's own.
		s := upgrade(o, "raw")
		if _, m := until[client.Message](t, o); string(m.Data) != "Hello!" || m.Socket != s {
			t.Errorf("message %q", m.Data)
		}
		if err := s.Write(t.Context(), websocket.MessageText, []byte("owner")); err != nil {
			t.Error(err)
		}
		<-heard
		s = upgrade(nil, "raw")
		if _, m, err := s.Read(t.Context()); err != nil || string(m) != "Hello!" {
			t.Errorf("read %q, %v", m, err)
		}
		if err := s.Write(t.Context(), websocket.MessageText, []byte("user")); err != nil {
			t.Error(err)
		}
		<-heard
	})
}
