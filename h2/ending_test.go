package h2_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// S2.13: Shutdown tells clients to open no more streams, and lets those there
// are end.
func TestShutdown(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		release := make(chan struct{})
		h := start(t, setup{transport: transport}, func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			<-release
			io.WriteString(w, "whole")
		})
		busy, idle := h.raw(t), h.raw(t)
		busy.request(1, true, "GET", "/")
		busy.want("HEADERS 1 [:status=200]")
		down := make(chan error, 1)
		go func() { down <- h.http.Config.Shutdown(t.Context()) }()
		idle.want("GOAWAY 2147483647 NO_ERROR", "GOAWAY 0 NO_ERROR", "closed")
		idle.nc.Close()
		busy.want("GOAWAY 2147483647 NO_ERROR")
		busy.request(3, true, "GET", "/") // was on its way
		for f := busy.next(); f != "HEADERS 3 [:status=200]"; f = busy.next() {
			if f != "GOAWAY 3 NO_ERROR" && f != "GOAWAY 1 NO_ERROR" {
				t.Fatal(f)
			}
		}
		select {
		case err := <-down:
			t.Fatalf("Shutdown returned %v", err)
		default:
		}
		close(release)
		ended := map[string]bool{}
		for f := busy.next(); f != "closed"; f = busy.next() {
			ended[f] = true
		}
		busy.nc.Close()
		if !ended["DATA 1 end whole"] || !ended["DATA 3 end whole"] {
			t.Errorf("%v", ended)
		}
		if err := wait(t, down); err != nil {
			t.Error(err)
		}
	})
}

// Shutdown gives up with its context; Close cuts.
func TestClose(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		ended := make(chan struct{})
		h := start(t, setup{transport: transport}, func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			close(ended)
		})
		c := h.raw(t)
		c.request(1, true, "GET", "/")
		c.want("HEADERS 1 [:status=200]")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.http.Config.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		h.http.Config.Close()
		wait(t, ended)
		for f := c.next(); f != "closed"; f = c.next() {
			if !strings.HasPrefix(f, "GOAWAY") {
				t.Error(f)
			}
		}
	})
}

// ConnState is told as net/http tells it: by the connection, not by requests.
func TestConnState(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		run := func(theirs bool) string {
			var mu sync.Mutex
			var states []string
			closed := make(chan struct{})
			release := make(chan struct{})
			idle := make(chan struct{}, 10)
			h := start(t, setup{transport: transport, theirs: theirs, server: func(s *http.Server) {
				s.ConnState = func(_ net.Conn, st http.ConnState) {
					mu.Lock()
					defer mu.Unlock()
					states = append(states, st.String())
					switch st {
					case http.StateIdle:
						idle <- struct{}{}
					case http.StateClosed:
						close(closed)
					}
				}
			}}, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/both" {
					w.(http.Flusher).Flush()
					<-release
				}
			})
			c := h.raw(t)
			wait(t, idle)
			c.request(1, true, "GET", "/both")
			c.next()
			c.request(3, true, "GET", "/both")
			c.next()
			close(release)
			wait(t, idle)
			c.request(5, true, "GET", "/one")
			wait(t, idle)
			c.nc.Close()
			wait(t, closed)
			return strings.Join(states, " ")
		}
		if ours, theirs := run(false), run(true); ours != theirs {
			t.Errorf("states\n%s\nof net/http\n%s", ours, theirs)
		}
	})
}

// A connection without requests ends after IdleTimeout.
func TestIdleTimeout(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		h := start(t, setup{transport: transport, server: func(s *http.Server) { s.IdleTimeout = 20 * time.Millisecond }}, echo)
		c := h.raw(t)
		c.request(1, true, "GET", "/")
		c.want("HEADERS 1 end [:status=200 content-length=0]", "GOAWAY 2147483647 NO_ERROR", "GOAWAY 1 NO_ERROR", "closed")
	})
}

// The server's timeouts hold for each request.
func TestServerTimeouts(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		errs := make(chan error, 1)
		h := start(t, setup{transport: transport, server: func(s *http.Server) {
			s.ReadTimeout, s.WriteTimeout = 20*time.Millisecond, 20*time.Millisecond
			s.IdleTimeout = time.Hour
		}}, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				_, err := io.Copy(io.Discard, r.Body)
				errs <- err
				http.NewResponseController(w).SetWriteDeadline(time.Time{})
				return
			}
			_, err := w.Write(pattern(1 << 20))
			errs <- err
		})
		c := h.raw(t)
		c.request(1, false, "POST", "/")
		if err := wait(t, errs); !isTimeout(err) {
			t.Errorf("reading: %v", err)
		}
		c.want("HEADERS 1 end [:status=200 content-length=0]", "RST_STREAM 1 NO_ERROR")
		c.request(3, true, "GET", "/")
		if err := wait(t, errs); !isTimeout(err) {
			t.Errorf("writing: %v", err)
		}
		f := c.next()
		for strings.HasPrefix(f, "HEADERS 3 ") || strings.HasPrefix(f, "DATA 3 ") {
			f = c.next()
		}
		if f != "RST_STREAM 3 CANCEL" { // H2-S8
			t.Error(f)
		}
	})
}

func isTimeout(err error) bool {
	var ne interface{ Timeout() bool }
	return errors.As(err, &ne) && ne.Timeout()
}

// Deadlines by ResponseController.
func TestDeadlines(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		errs := make(chan error, 1)
		timed := make(chan struct{})
		h := start(t, setup{transport: transport}, func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			past := time.Now().Add(-time.Second)
			if err := errors.Join(rc.SetReadDeadline(past), rc.SetWriteDeadline(past)); err != nil {
				t.Error(err)
			}
			if _, err := r.Body.Read(make([]byte, 1)); !isTimeout(err) {
				t.Errorf("reading: %v", err)
			}
			rc.SetReadDeadline(time.Time{})
			close(timed)
			if n, err := r.Body.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Errorf("reading again: %d, %v", n, err)
			}
			w.Write(pattern(1 << 20))
			errs <- rc.Flush()
		})
		c := h.raw(t)
		c.request(1, false, "POST", "/")
		wait(t, timed)
		c.data(1, true, "x")
		if err := wait(t, errs); !isTimeout(err) {
			t.Errorf("writing: %v", err)
		}
	})
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
