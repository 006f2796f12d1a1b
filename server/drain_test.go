package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/server"
	"github.com/lariat-go/websocket/wstest"
)

type shutdown struct {
	report server.Report
	err    error
}

// shutDown begins a shutdown and returns where its result comes.
func (h *host) shutDown(ctx context.Context, o *server.Drain) <-chan shutdown {
	c := make(chan shutdown, 1)
	go func() {
		r, err := h.Shutdown(ctx, o)
		c <- shutdown{r, err}
	}()
	return c
}

// S4 Shutdown: every session gets the close frame, newcomers get 503.
func TestShutdown(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for name, tt := range map[string]struct {
			drain  *server.Drain
			code   websocket.StatusCode
			reason string
			after  string
		}{
			"defaults": {nil, websocket.StatusGoingAway, "", "5"},
			"own":      {&server.Drain{Code: 4000, Reason: "bye", RetryAfter: 1500 * time.Millisecond}, 4000, "bye", "2"},
		} {
			t.Run(name, func(t *testing.T) {
				h := serveOne(t, engine, nil, funcs{message: echo})
				var peers []*wstest.Peer
				for range 5 {
					p, _ := h.peer("")
					peers = append(peers, p)
					wait(t, h.begun)
				}
				done := h.shutDown(h.context(), tt.drain)
				for i, p := range peers {
					if got := p.ExpectClose(tt.code); got != tt.reason {
						t.Error(got)
					}
					if i == 0 { // while it waits for the others
						res := h.narrow().request(t, version13, "")
						if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != tt.after {
							t.Errorf("%v, %v", res.Status, res.Header)
						}
					}
					if i < 4 {
						p.SendFrames(wstest.Close(tt.code, ""))
						p.ExpectEOF()
					} else {
						p.Close()
					}
				}
				if got := wait(t, done); got.err != nil || got.report != (server.Report{Clean: 5}) {
					t.Errorf("%+v", got)
				}
				for range peers {
					if r := wait(t, h.over); r.Kind != server.ReasonShutdown || r.Close.Sent.Code != tt.code {
						t.Errorf("%v, %+v", r, r.Close)
					}
				}
				if st := h.Stats(); st.Refused != 1 || st.Ended[server.ReasonShutdown] != 5 || st.Sessions != 0 {
					t.Errorf("%+v", st)
				}
				// A second one finds nothing.
				if got := wait(t, h.shutDown(h.context(), nil)); got.err != nil || got.report != (server.Report{}) {
					t.Errorf("%+v", got)
				}
			})
		}
	})
}

func TestShutdownWithoutSessions(t *testing.T) {
	h := serve(t, "poll", nil, func() server.Handler { return &funcs{} })
	if got := wait(t, h.shutDown(context.Background(), &server.Drain{Over: time.Hour})); got.err != nil || got.report != (server.Report{}) {
		t.Errorf("%+v", got)
	}
}

// A close frame that can't be sent is refused, and nothing happens.
func TestBadDrain(t *testing.T) {
	h := serveOne(t, "poll", nil, funcs{message: echo})
	peer, _ := h.peer("")
	for _, d := range []server.Drain{{Code: 1005}, {Code: 999}, {Reason: string(make([]byte, 124))}} {
		if got := wait(t, h.shutDown(context.Background(), &d)); got.err == nil {
			t.Errorf("%+v was accepted", d)
		}
	}
	peer.SendFrames(wstest.Text("x"))
	peer.Expect(wstest.Text("x"))
}

// What the peer had sent before is answered first; so is what was posted.
func TestShutdownAnswersFirst(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		inside, let := make(chan bool, 1), make(chan bool)
		first := true
		h := serveOne(t, engine, nil, funcs{
			message: func(s *server.Session, m websocket.Message) {
				if first {
					first = false
					inside <- true
					<-let
				}
				echo(s, m)
			},
			info: func(s *server.Session, v any) { s.Text(v.(string)) },
		})
		peer, _ := h.peer("")
		s := wait(t, h.begun)
		peer.SendFrames(wstest.Text("1"))
		wait(t, inside)
		peer.SendFrames(wstest.Text("2"), wstest.Ping([]byte("3")), wstest.Text("4"))
		s.Post("posted")
		done := h.shutDown(h.context(), nil)
		until(t, "refusing", func() bool {
			res := h.narrow().request(t, version13, "")
			return res.StatusCode == http.StatusServiceUnavailable
		})
		close(let)
		came := make(map[string]bool)
		for {
			f := peer.Receive()
			if f.Opcode == frame.OpClose {
				break
			}
			came[string(f.Payload)] = true
		}
		for _, want := range []string{"1", "2", "3", "4", "posted"} {
			if !came[want] {
				t.Errorf("%q was not answered", want)
			}
		}
		peer.SendFrames(wstest.Close(1001, ""))
		if got := wait(t, done); got.err != nil || got.report.Clean != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// Over spreads the close frames.
func TestShutdownOver(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		const n, over = 10, 300 * time.Millisecond
		h := serveOne(t, engine, nil, funcs{})
		var all sync.WaitGroup
		start := time.Now()
		times := make(chan time.Duration, n)
		for range n {
			c := h.dial(nil)
			wait(t, h.begun)
			all.Go(func() {
				c.Read(h.context())
				times <- time.Since(start)
			})
		}
		start = time.Now()
		if got := wait(t, h.shutDown(h.context(), &server.Drain{Over: over})); got.err != nil || got.report.Clean != n {
			t.Errorf("%+v", got)
		}
		all.Wait()
		close(times)
		early := 0
		for d := range times {
			if d < over/2 {
				early++
			}
		}
		if early > n*3/4 || early == 0 && time.Since(start) < over*2 {
			t.Errorf("%d of %d in the first half", early, n)
		}
	})
}

// Sessions that leave by themselves do not make a shutdown wait.
func TestShutdownOverEndsWithTheLast(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{})
		a, _ := h.peer("")
		b, _ := h.peer("")
		wait(t, h.begun)
		wait(t, h.begun)
		done := h.shutDown(h.context(), &server.Drain{Over: time.Hour})
		a.Close()
		b.Close()
		if got := wait(t, done); got.err != nil {
			t.Errorf("%+v", got)
		}
	})
}

// HD3: at the end of the context the rest is dropped: a peer that never
// answers, one that takes nothing, a callback that hangs.
func TestShutdownForces(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		let, inside := make(chan bool), make(chan bool, 1)
		h := serveOne(t, engine, nil, funcs{message: func(*server.Session, websocket.Message) {
			inside <- true
			<-let
		}})
		silent, c := h.peer("")
		wait(t, h.begun)
		h.peer("")
		fill(t, wait(t, h.begun), 0, unit)
		hangs, _ := h.peer("")
		wait(t, h.begun)
		polite, _ := h.peer("")
		hangs.SendFrames(wstest.Text("x"))
		wait(t, inside)
		ctx, cancel := context.WithCancelCause(h.context())
		done := h.shutDown(ctx, nil)
		polite.ExpectClose(1001)
		polite.SendFrames(wstest.Close(1001, ""))
		polite.ExpectEOF()
		until(t, "the polite one is gone", func() bool { return h.Stats().Sessions == 3 })
		silent.ExpectClose(1001)
		enough := errors.New("enough")
		cancel(enough)
		got := wait(t, done)
		if got.err != enough || got.report != (server.Report{Clean: 1, Forced: 3}) {
			t.Errorf("%+v", got)
		}
		for range 3 {
			if r := wait(t, h.over); r.Kind != server.ReasonShutdown {
				t.Errorf("%v, %+v", r, r.Close)
			}
		}
		if s, ok := c.Conn.(*stream); !ok {
			silent.ExpectEOF() // the others' transports are gone as well
		} else if code := s.ResetWith(); code != http2.ErrCodeCancel {
			t.Errorf("reset with %v", code)
		}
		close(let)
		if r := wait(t, h.over); r.Kind != server.ReasonShutdown {
			t.Errorf("%v, %+v", r, r.Close)
		}
		if got := wait(t, h.shutDown(h.context(), nil)); got.err != nil {
			t.Errorf("%+v", got)
		}
	})
}

// A peer that never stops sending is closed all the same.
func TestShutdownOfAFlood(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{})
		peer, c := h.peer("")
		m := wstest.Frame{Header: frame.Header{Fin: true, Opcode: frame.OpBinary, Masked: true}, Payload: make([]byte, 60<<10)}.Append(nil)
		for range 3 {
			m = append(m, m...)
		}
		go func() {
			for {
				if _, err := c.Write(m); err != nil {
					return
				}
			}
		}()
		until(t, "flood", func() bool { return h.Stats().BytesIn > 8<<20 })
		ctx, cancel := context.WithTimeout(h.context(), patience)
		defer cancel()
		done := h.shutDown(ctx, nil)
		peer.ExpectClose(1001)
		c.reset()
		if got := wait(t, done); got.err != nil {
			t.Errorf("%+v", got)
		}
	})
}

// The recipe of the documentation: sessions first, then http.Server, which
// waits for none.
func TestShutdownWithHTTPServer(t *testing.T) {
	ws := server.New(func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) {
		return &funcs{message: echo}, nil
	})
	hs := httptest.NewServer(ws)
	defer hs.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := websocket.Dial(ctx, "ws"+hs.URL[len("http"):], nil)
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, _, err := c.Read(ctx)
		read <- err
	}()
	ended := make(chan error, 1)
	hs.Config.RegisterOnShutdown(func() {
		report, err := ws.Shutdown(ctx, nil)
		if report.Clean != 1 || report.Forced != 0 {
			err = errors.Join(err, errors.New(strconv.Itoa(report.Clean)+" clean"))
		}
		ended <- err
	})
	if err := hs.Config.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := wait(t, ended); err != nil {
		t.Error(err)
	}
	if err := wait(t, read); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Error(err)
	}
}
