package reconnect_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/reconnect"
)

// diary is a server that keeps what it receives, by connection.
type diary struct {
	mu   sync.Mutex
	got  []string
	conn int
	acks bool // it sends back each message
}

func (d *diary) handler() http.Handler {
	return sockets(func(c *websocket.Conn, r *http.Request) {
		d.mu.Lock()
		d.conn++
		n := d.conn
		d.mu.Unlock()
		for {
			mt, p, err := c.Read(context.Background())
			if err != nil {
				return
			}
			d.mu.Lock()
			d.got = append(d.got, fmt.Sprintf("%d %s", n, p))
			d.mu.Unlock()
			if d.acks {
				c.Write(r.Context(), mt, p)
			}
		}
	})
}

func (d *diary) want(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.got, want) {
		t.Errorf("the server got %q\nwant           %q", d.got, want)
	}
}

// S0.23, S0.21: while down, one typed error, whatever the state, and no storm.
func TestRefuse(t *testing.T) {
	bubble(t, "S0.23", func(t *testing.T) {
		var d diary
		s := newSite(t, d.handler())
		s.Down(nil)
		r := newRecorder()
		c := start(t, r, options(s))
		for range 3 {
			if err := c.Write(t.Context(), websocket.MessageText, []byte("x")); err != reconnect.ErrDown {
				t.Errorf("S0.23: Write = %v", err)
			}
			synctest.Wait()
		}
		if err := c.Flush(t.Context()); !errors.Is(err, reconnect.ErrDown) {
			t.Errorf("Flush = %v", err)
		}
		s.Up()
		up(t, c)
		write(t, c, "one")
		synctest.Wait()
		// The connection is lost, and nobody knows yet.
		var errs []error
		s.Cut()
		for range 3 {
			errs = append(errs, c.Write(t.Context(), websocket.MessageText, []byte("lost")))
		}
		for _, err := range errs {
			if !errors.Is(err, reconnect.ErrDown) {
				t.Errorf("S0.23: Write = %v", err)
			}
		}
		time.Sleep(time.Minute)
		write(t, c, "two")
		synctest.Wait()
		d.want(t, "1 one", "2 two")
		c.Close(1000, "")
		for _, err := range []error{c.Write(t.Context(), websocket.MessageText, nil), c.AwaitUp(t.Context())} {
			if !errors.Is(err, reconnect.ErrClosed) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
	})
}

// Drop: nil, and a count.
func TestDrop(t *testing.T) {
	bubble(t, "S0.23 Drop", func(t *testing.T) {
		var d diary
		s := newSite(t, d.handler())
		s.Down(nil)
		o := options(s)
		o.WhileDown = reconnect.Drop
		c := start(t, nil, o)
		write(t, c, "a")
		synctest.Wait()
		write(t, c, "b")
		s.Up()
		up(t, c)
		write(t, c, "c")
		synctest.Wait()
		s.Cut()
		write(t, c, "d")
		write(t, c, "e")
		if n := c.Info().Dropped; n != 4 {
			t.Errorf("%d dropped", n)
		}
		time.Sleep(time.Minute)
		write(t, c, "f")
		synctest.Wait()
		d.want(t, "1 c", "2 f")
	})
}

// Queue: what is written while down is sent in order when OnConnect has returned,
// after what that wrote, and what others write meanwhile waits behind it.
func TestQueue(t *testing.T) {
	bubble(t, "S0.23 Queue", func(t *testing.T) {
		var d diary
		s := newSite(t, d.handler())
		s.Down(nil)
		r := newRecorder()
		in, out := make(chan struct{}), make(chan struct{})
		r.connect = func(c *reconnect.Client) {
			write(t, c, "login")
			in <- struct{}{}
			<-out
			write(t, c, "subscribe")
		}
		o := options(s)
		o.WhileDown = reconnect.Queue
		c := start(t, r, o)
		write(t, c, "a")
		synctest.Wait()
		write(t, c, "b")
		s.Up()
		<-in
		write(t, c, "c") // another goroutine, while OnConnect runs
		if i := c.Info(); i.State != reconnect.Opening || i.Queued != 3 || i.Unsent != 3 || i.QueuedBytes != 3 {
			t.Errorf("%+v", i)
		}
		out <- struct{}{}
		up(t, c)
		write(t, c, "d")
		synctest.Wait()
		d.want(t, "1 login", "1 subscribe", "1 a", "1 b", "1 c", "1 d")
		s.Cut()
		write(t, c, "e") // it may find the connection before its end is seen
		synctest.Wait()
		write(t, c, "f")
		write(t, c, "g")
		<-in
		out <- struct{}{}
		up(t, c)
		if err := c.Flush(t.Context()); err != nil {
			t.Errorf("Flush = %v", err)
		}
		synctest.Wait()
		d.want(t, "1 login", "1 subscribe", "1 a", "1 b", "1 c", "1 d", "2 login", "2 subscribe", "2 e", "2 f", "2 g")
		if i := c.Info(); i.Queued != 0 || i.QueuedBytes != 0 || i.Resent != 0 {
			t.Errorf("%+v", i)
		}
		// What is left when it ends is told.
		s.Down(nil)
		synctest.Wait()
		write(t, c, "h")
		if err := c.Close(1000, ""); !errors.Is(err, reconnect.ErrUnsent) {
			t.Errorf("Close = %v", err)
		}
		if err := c.Flush(t.Context()); !errors.Is(err, reconnect.ErrClosed) {
			t.Errorf("Flush after Close = %v", err)
		}
	})
}

// R13: the outbox is bounded by messages and bytes.
func TestOutboxFull(t *testing.T) {
	for _, tc := range []struct {
		name   string
		limits reconnect.Outbox
		each   int
		fits   int
	}{
		{"R13 1,024 messages", reconnect.Outbox{}, 1, 1024},
		{"R13 1 MiB", reconnect.Outbox{}, 64 << 10, 16},
		{"R13 own limits", reconnect.Outbox{MaxMessages: 3, MaxBytes: -1}, 1 << 20, 3},
		{"R13 own bytes", reconnect.Outbox{MaxMessages: -1, MaxBytes: 5000}, 1, 5000},
		{"R13 acknowledged", reconnect.Outbox{MaxMessages: 7, Acknowledge: true}, 0, 7},
	} {
		bubble(t, tc.name, func(t *testing.T) {
			var d diary
			s := newSite(t, d.handler())
			s.Down(nil)
			o := options(s)
			o.WhileDown, o.Outbox = reconnect.Queue, tc.limits
			c := start(t, nil, o)
			p := []byte(strings.Repeat("x", tc.each))
			for i := range tc.fits {
				if err := c.Write(t.Context(), websocket.MessageText, p); err != nil {
					t.Fatalf("R13: message %d: %v", i+1, err)
				}
			}
			if err := c.Write(t.Context(), websocket.MessageText, p); !errors.Is(err, reconnect.ErrOutboxFull) {
				t.Errorf("R13: one more: %v", err)
			}
			if i := c.Info(); i.Queued != tc.fits || i.QueuedBytes != int64(tc.fits*tc.each) {
				t.Errorf("%+v", i)
			}
			if tc.limits.Acknowledge {
				return
			}
			s.Up()
			up(t, c)
			if err := c.Flush(t.Context()); err != nil {
				t.Errorf("Flush = %v", err)
			}
			synctest.Wait()
			if len(d.got) != tc.fits {
				t.Errorf("%d messages arrived", len(d.got))
			}
		})
	}
	bubble(t, "R13 a message that never fits", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		o := options(s)
		o.WhileDown, o.Outbox = reconnect.Queue, reconnect.Outbox{MaxBytes: 10, Acknowledge: true}
		c := start(t, nil, o)
		up(t, c)
		if _, err := c.Send(t.Context(), websocket.MessageText, make([]byte, 11)); !errors.Is(err, reconnect.ErrOutboxFull) {
			t.Errorf("R13: Send = %v", err)
		}
	})
	bubble(t, "R13 up and full: a writer waits", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		r := newRecorder()
		full := make(chan error, 1)
		r.message = func(c *reconnect.Client, m websocket.Message) {
			if string(m.Data) == "1" {
				// A callback would wait for itself.
				full <- c.Write(context.Background(), websocket.MessageText, []byte("x"))
			}
		}
		o := options(s)
		o.WhileDown, o.Outbox = reconnect.Queue, reconnect.Outbox{MaxMessages: 2, Acknowledge: true}
		c := start(t, r, o)
		up(t, c)
		write(t, c, "0")
		write(t, c, "1")
		if err := <-full; !errors.Is(err, reconnect.ErrOutboxFull) {
			t.Errorf("in a callback: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Write(ctx, websocket.MessageText, []byte("2")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write = %v", err)
		}
		go func() {
			time.Sleep(time.Second)
			c.Ack(1)
		}()
		write(t, c, "2")
		go func() {
			time.Sleep(time.Second)
			s.Down(nil)
		}()
		if err := c.Write(t.Context(), websocket.MessageText, []byte("3")); !errors.Is(err, reconnect.ErrOutboxFull) {
			t.Errorf("when it goes down: %v", err)
		}
	})
}

// What cannot be sent is refused before it is queued or dropped, in each state.
func TestWriteRefusals(t *testing.T) {
	for _, mode := range []reconnect.WhileDown{reconnect.Refuse, reconnect.Queue, reconnect.Drop} {
		bubble(t, fmt.Sprint(mode), func(t *testing.T) {
			s := newSite(t, sockets(echo))
			o := options(s)
			o.WhileDown = mode
			c := start(t, nil, o)
			for range 2 {
				if err := c.Write(t.Context(), websocket.MessageText, []byte{0xff}); mode != reconnect.Refuse && !errors.Is(err, frame.ErrInvalidUTF8) || err == nil {
					t.Errorf("bad text: %v", err)
				}
				var bad *websocket.OptionError
				if err := c.Write(t.Context(), frame.OpPing, nil); !errors.As(err, &bad) {
					t.Errorf("ping: %v", err)
				}
				if err := c.Write(noContext, websocket.MessageText, nil); !errors.As(err, &bad) {
					t.Errorf("no context: %v", err)
				}
				up(t, c)
			}
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if err := c.Write(ended, websocket.MessageText, nil); !errors.Is(err, context.Canceled) || errors.Is(err, reconnect.ErrDown) {
				t.Errorf("a context that has ended: %v", err)
			}
			if i := c.Info(); i.Dropped != 0 || i.Queued != 0 {
				t.Errorf("%+v", i)
			}
		})
	}
}

// With acknowledgements, what was not acknowledged is sent again after a
// reconnect, in order, and nothing else is.
func TestAcknowledge(t *testing.T) {
	bubble(t, "resend", func(t *testing.T) {
		var d diary
		s := newSite(t, d.handler())
		o := options(s)
		o.WhileDown, o.Outbox = reconnect.Queue, reconnect.Outbox{Acknowledge: true}
		c := start(t, nil, o)
		send := func(n uint64) {
			t.Helper()
			seq, err := c.Send(t.Context(), websocket.MessageText, fmt.Append(nil, n))
			if err != nil || seq != n {
				t.Errorf("Send = %d, %v, want %d", seq, err, n)
			}
		}
		send(1)
		up(t, c)
		send(2)
		send(3)
		synctest.Wait()
		d.want(t, "1 1", "1 2", "1 3")
		if err := c.Ack(4); !errors.Is(err, reconnect.ErrNotSent) {
			t.Errorf("R12: Ack(4) = %v", err)
		}
		if err := c.Ack(2); err != nil {
			t.Errorf("Ack(2) = %v", err)
		}
		s.Down(nil)
		synctest.Wait()
		send(4)
		if err := c.Ack(4); !errors.Is(err, reconnect.ErrNotSent) {
			t.Errorf("R12: Ack(4) = %v", err)
		}
		s.Up()
		up(t, c)
		send(5)
		synctest.Wait()
		d.want(t, "1 1", "1 2", "1 3", "2 3", "2 4", "2 5")
		if i := c.Info(); i.Queued != 3 || i.Unsent != 0 || i.Acked != 2 || i.Resent != 1 {
			t.Errorf("%+v", i)
		}
		flushed := make(chan error, 1)
		go func() { flushed <- c.Flush(context.Background()) }()
		synctest.Wait()
		for _, seq := range []uint64{1, 4, 5} { // R12: an older number does no harm
			select {
			case err := <-flushed:
				t.Errorf("Flush = %v before message %d was acknowledged", err, seq)
			default:
			}
			if err := c.Ack(seq); err != nil {
				t.Errorf("Ack(%d) = %v", seq, err)
			}
			synctest.Wait()
		}
		if err := <-flushed; err != nil {
			t.Errorf("Flush = %v", err)
		}
		if err := c.Close(1000, ""); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	bubble(t, "R12 resume in OnConnect", func(t *testing.T) {
		// The server says after the login how far it has come: less than was
		// acknowledged, more than was ever sent, and what is true.
		answers := []string{"0", "0", "99", "3"}
		var got []string
		s := newSite(t, sockets(func(c *websocket.Conn, r *http.Request) {
			ctx := r.Context()
			c.Read(ctx) // login
			c.Write(ctx, websocket.MessageText, []byte(answers[0]))
			answers = answers[1:]
			got = append(got, "|")
			for {
				_, p, err := c.Read(context.Background())
				if err != nil {
					return
				}
				got = append(got, string(p))
			}
		}))
		r := newRecorder()
		var errs []error
		r.connect = func(c *reconnect.Client) {
			write(t, c, "login")
			_, p, err := c.Conn().Read(t.Context())
			var n uint64
			fmt.Sscan(string(p), &n)
			errs = append(errs, err, c.Ack(n))
		}
		o := options(s)
		o.WhileDown, o.Outbox = reconnect.Queue, reconnect.Outbox{Acknowledge: true}
		c := start(t, r, o)
		up(t, c)
		for n := range 4 {
			write(t, c, fmt.Sprint(n+1))
		}
		synctest.Wait()
		if err := c.Ack(2); err != nil {
			t.Error(err)
		}
		for range 3 {
			s.Cut()
			synctest.Wait()
			up(t, c)
			synctest.Wait()
		}
		if want := "| 1 2 3 4 | 3 4 | 3 4 | 4"; strings.Join(got, " ") != want {
			t.Errorf("R12: the server got %q, want %q", got, want)
		}
		want := []error{nil, nil, nil, nil, nil, reconnect.ErrNotSent, nil, nil}
		if !slices.Equal(errs, want) {
			t.Errorf("R12: %v", errs)
		}
	})
	bubble(t, "without the option", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		c := start(t, nil, options(s))
		up(t, c)
		if seq, err := c.Send(t.Context(), websocket.MessageText, nil); seq != 0 || err != nil {
			t.Errorf("Send = %d, %v", seq, err)
		}
		if err := c.Ack(0); !errors.Is(err, reconnect.ErrNotSent) {
			t.Errorf("Ack = %v", err)
		}
	})
}

// Flush in a callback does not wait for what only comes after it.
func TestFlushInCallback(t *testing.T) {
	bubble(t, "OnConnect", func(t *testing.T) {
		var d diary
		s := newSite(t, d.handler())
		s.Down(nil)
		r := newRecorder()
		errs := make(chan error, 2)
		r.connect = func(c *reconnect.Client) { errs <- c.Flush(context.Background()) }
		o := options(s)
		o.WhileDown = reconnect.Queue
		c := start(t, r, o)
		write(t, c, "x")
		s.Up()
		if err := <-errs; err == nil {
			t.Error("Flush in OnConnect said that the outbox is empty")
		}
		synctest.Wait()
		d.want(t, "1 x")
	})
	bubble(t, "ends with its context", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		s.Down(nil)
		o := options(s)
		o.WhileDown = reconnect.Queue
		c := start(t, nil, o)
		if err := c.Flush(t.Context()); err != nil {
			t.Errorf("with nothing to flush: %v", err)
		}
		write(t, c, "x")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush = %v", err)
		}
		var bad *websocket.OptionError
		if err := c.Flush(noContext); !errors.As(err, &bad) {
			t.Errorf("no context: %v", err)
		}
	})
}

// W3: both sides send much and do not read while they do. The outbox is flushed
// beside reading, so that both get on.
func TestBothSendMuch(t *testing.T) {
	bubble(t, "W3", func(t *testing.T) {
		const n = 16
		p := []byte(strings.Repeat("x", 64<<10))
		got := make(chan int, 1)
		s := newSite(t, sockets(func(c *websocket.Conn, r *http.Request) {
			for range n {
				c.Write(r.Context(), websocket.MessageText, p)
			}
			count := 0
			for ; count < n; count++ {
				if _, _, err := c.Read(r.Context()); err != nil {
					break
				}
			}
			got <- count
			readAll(c)
		}))
		r := newRecorder()
		o := options(s)
		o.WhileDown = reconnect.Queue
		c := start(t, r, o)
		for range n {
			if err := c.Write(t.Context(), websocket.MessageText, p); err != nil {
				t.Fatal(err)
			}
		}
		if count := <-got; count != n {
			t.Errorf("W3: the server got %d messages", count)
		}
		synctest.Wait()
		if len(r.all()) != n+1 {
			t.Errorf("W3: the client got %d messages", len(r.all())-1)
		}
	})
}
