package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/wstest"
)

// recorder is a handler that writes down what it is told.
type recorder struct {
	message func(websocket.Message) error
	log     []string
	end     *websocket.CloseError
}

func (r *recorder) Message(m websocket.Message) error {
	r.log = append(r.log, fmt.Sprintf("%s %s", m.Type, m.Data))
	if r.message != nil {
		return r.message(m)
	}
	return nil
}

func (r *recorder) Closed(err *websocket.CloseError) {
	r.log = append(r.log, "closed")
	r.end = err
}

// startPump starts a pump; done is closed when it has returned.
func startPump(s *websocket.Conn, o *Owner, h Handler, st *steps) (f *fake, done <-chan struct{}) {
	f = newFake(o)
	p := pump{mail: &f.mailbox, steps: st, ref: 7, socket: s, handler: h}
	c := make(chan struct{})
	go func() {
		defer close(c)
		p.run()
	}()
	return f, c
}

func text(s string) websocket.Outgoing { return websocket.Text(s) }

// S0.22, S1.14, C10: every message comes to the owner, in order, with its type;
// its bytes are the owner's own. Closed comes last.
func TestPumpOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := wstest.Pair(t, nil)
		o := NewOwner(10)
		_, done := startPump(s, o, nil, nil)
		if err := peer.WriteBatch(t.Context(), text("one"), websocket.Binary([]byte("two")), text("three"), websocket.CloseFrame(4000, "bye")); err != nil {
			t.Fatal(err)
		}
		<-done
		var all []Message
		for range 3 {
			m := (<-o.C).(Message)
			if m.Ref != 7 || m.Socket != s {
				t.Errorf("message of %d, %p", m.Ref, m.Socket)
			}
			all = append(all, m)
		}
		got := ""
		for _, m := range all {
			got += fmt.Sprintf("%s %s;", m.Type, m.Data)
		}
		if want := "text one;binary two;text three;"; got != want {
			t.Errorf("messages %s, want %s", got, want)
		}
		end := (<-o.C).(Closed)
		if end.Ref != 7 || end.Socket != s || end.Err.Code != 4000 || end.Err.Reason != "bye" || len(o.C) != 0 {
			t.Errorf("ending: %+v", end)
		}
	})
}

// A full channel stops the reading, and that stops the peer.
func TestPumpBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, count = 1000, 100
		s, peer := wstest.Pair(t, &wstest.PairOptions{Pipe: wstest.PipeOptions{Buffer: 2 * size}})
		o := NewOwner(2)
		startPump(s, o, nil, nil)
		sent := 0
		waiting, done := waits(func() {
			for range count {
				if err := peer.Write(t.Context(), websocket.MessageBinary, make([]byte, size)); err != nil {
					t.Error(err)
				}
				sent++
			}
		})
		if !waiting || sent > 20 {
			t.Errorf("the peer could send %d messages to an owner that takes none", sent)
		}
		for range count {
			if ev := (<-o.C).(Message); len(ev.Data) != size {
				t.Errorf("a message has %d bytes, want %d", len(ev.Data), size)
			}
		}
		<-done
		s.CloseNow()
		if end := (<-o.C).(Closed); end.Err.Code != websocket.StatusAbnormalClosure {
			t.Errorf("ending: %v", end.Err)
		}
	})
}

func TestPumpHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := wstest.Pair(t, nil)
		o := NewOwner(10)
		h := &recorder{}
		_, done := startPump(s, o, h, nil)
		if err := peer.WriteBatch(t.Context(), text("one"), websocket.Binary([]byte("two"))); err != nil {
			t.Fatal(err)
		}
		if err := peer.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		<-done
		if want := []string{"text one", "binary two", "closed"}; !slices.Equal(h.log, want) {
			t.Errorf("handler: %q, want %q", h.log, want)
		}
		if end := (<-o.C).(Closed); end.Err != h.end || h.end.Code != websocket.StatusNormalClosure || len(o.C) != 0 {
			t.Errorf("ending: %v", end.Err)
		}
	})
}

// What a handler does wrong closes its socket, with the code it says or 1011,
// and is logged; Closed comes all the same, once.
func TestPumpHandlerFails(t *testing.T) {
	boom := errors.New("no such room")
	for _, tt := range []struct {
		name    string
		message func(websocket.Message) error
		code    websocket.StatusCode
		log     []string
	}{
		{name: "error", message: func(websocket.Message) error { return boom }, code: 1011, log: []string{"ERROR", "no such room"}},
		{name: "close error", message: func(websocket.Message) error {
			return fmt.Errorf("told: %w", &websocket.CloseError{Code: 4001, Reason: "login first"})
		}, code: 4001},
		{name: "close error without a code to send", message: func(websocket.Message) error {
			return &websocket.CloseError{Code: websocket.StatusAbnormalClosure, Cause: boom}
		}, code: 1011},
		{name: "panic", message: func(websocket.Message) error { panic("at the disco") }, code: 1011, log: []string{"ERROR", "at the disco", "pump_test.go"}},
		{name: "panic with an error", message: func(websocket.Message) error { panic(boom) }, code: 1011, log: []string{"no such room"}},
		{name: "Goexit", message: func(websocket.Message) error { runtime.Goexit(); return nil }, code: 1011},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, peer := wstest.Pair(t, nil)
				o := NewOwner(10)
				h := &recorder{message: tt.message}
				var log bytes.Buffer
				st := newSteps(&Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, "addr")
				_, done := startPump(s, o, h, st)
				if err := peer.WriteBatch(t.Context(), text("one"), text("two")); err != nil {
					t.Fatal(err)
				}
				_, _, err := peer.Read(t.Context())
				if websocket.CloseStatus(err) != tt.code {
					t.Errorf("the peer sees %v, want %d", err, tt.code)
				}
				<-done
				if want := []string{"text one", "closed"}; !slices.Equal(h.log, want) {
					t.Errorf("handler: %q, want %q", h.log, want)
				}
				if end := (<-o.C).(Closed); end.Err.Sent == nil || end.Err.Sent.Code != tt.code {
					t.Errorf("ending: %v", end.Err)
				}
				for _, want := range tt.log {
					if !strings.Contains(log.String(), want) {
						t.Errorf("the log has no %q:\n%s", want, &log)
					}
				}
			})
		})
	}
}

// badEnd panics when it is told of the end.
type badEnd struct{ recorder }

func (b *badEnd) Closed(err *websocket.CloseError) {
	b.recorder.Closed(err)
	panic("in the end")
}

func TestPumpClosedPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := wstest.Pair(t, nil)
		o := NewOwner(10)
		h := &badEnd{}
		_, done := startPump(s, o, h, nil)
		if err := peer.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		<-done
		if end := (<-o.C).(Closed); end.Err.Code != websocket.StatusNormalClosure || !slices.Equal(h.log, []string{"closed"}) {
			t.Errorf("ending: %v, handler: %q", end.Err, h.log)
		}
	})
}

// A handler may close its socket itself, and is given what had come before.
func TestPumpHandlerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := wstest.Pair(t, nil)
		h := &recorder{}
		h.message = func(m websocket.Message) error {
			if string(m.Data) == "one" {
				return s.Close(4002, "enough")
			}
			return nil
		}
		_, done := startPump(s, nil, h, nil)
		if err := peer.WriteBatch(t.Context(), text("one"), text("two")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := peer.Read(t.Context()); websocket.CloseStatus(err) != 4002 {
			t.Errorf("the peer sees %v", err)
		}
		<-done
		if want := []string{"text one", "text two", "closed"}; !slices.Equal(h.log, want) || h.end.Sent.Code != 4002 {
			t.Errorf("handler: %q, want %q; ending: %v", h.log, want, h.end)
		}
	})
}

// Whoever reads a socket that an owner has is told so, and the socket is closed.
func TestPumpReadBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := wstest.Pair(t, nil)
		o := NewOwner(10)
		read := make(chan error)
		go func() {
			_, _, err := s.Read(context.Background())
			read <- err
		}()
		synctest.Wait()
		_, done := startPump(s, o, nil, nil)
		if _, _, err := peer.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusInternalError {
			t.Errorf("the peer sees %v", err)
		}
		if err := <-read; websocket.CloseStatus(err) != websocket.StatusInternalError {
			t.Errorf("the reader gets %v", err)
		}
		<-done
		if end := (<-o.C).(Closed); end.Err == nil {
			t.Error("no ending")
		}
	})
}

// sizes is a handler that tells how large messages are.
type sizes struct{ got chan int }

func (c *sizes) Message(m websocket.Message) error {
	c.got <- len(m.Data)
	return nil
}

func (c *sizes) Closed(*websocket.CloseError) { close(c.got) }

// A message costs an owner two allocations, its bytes and the event, and a
// handler none.
func TestPumpAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	p := make([]byte, 128)
	measure := func(receive func(), peer *websocket.Conn) float64 {
		return testing.AllocsPerRun(200, func() {
			if err := peer.Write(t.Context(), websocket.MessageBinary, p); err != nil {
				t.Error(err)
			}
			receive()
		})
	}
	s, peer := wstest.Pair(t, nil)
	o := NewOwner(0)
	_, done := startPump(s, o, nil, nil)
	if n := measure(func() { <-o.C }, peer); n > 2 {
		t.Errorf("%v allocations for a message of an owner, want 2", n)
	}
	s.CloseNow()
	<-done

	s, peer = wstest.Pair(t, nil)
	h := &sizes{make(chan int)}
	_, done = startPump(s, nil, h, nil)
	if n := measure(func() { <-h.got }, peer); n > 0 {
		t.Errorf("%v allocations for a message of a handler, want none", n)
	}
	s.CloseNow()
	for range h.got {
		t.Error("a message that was not sent")
	}
	<-done
}
