package interop_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
)

// TestMain makes this program a server that is to be killed, when it was started
// for that.
func TestMain(m *testing.M) {
	if os.Getenv("LARIAT_INTEROP_PEER") == "ledger" {
		if err := serveLedger(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// ledger is a server that writes down each message, by its number, before it
// acknowledges it. The file is there when the process is killed, and the next one
// goes on from it:
//
//	resume J A   the client's connection J, the first message on it; the client had
//	             been told of message A and all before
//	got N        message N
//	bad TEXT     anything else
type ledger struct {
	file *os.File

	mu      sync.Mutex
	last    int           // the highest number that the client has come to
	changed chan struct{} // closed when last goes up
}

const (
	ledgerTotal = 1000 // messages each way
	ledgerEvery = 5    // messages are acknowledged together
	ledgerAhead = 20   // so far it goes ahead of what it got with its own messages
)

// serveLedger serves HTTP/1.1 and HTTP/2 until standard input ends.
func serveLedger(addr, file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	s := &ledger{file: f, changed: make(chan struct{})}
	for in := bufio.NewScanner(f); in.Scan(); {
		var n int
		if _, err := fmt.Sscanf(in.Text(), "got %d", &n); err == nil {
			s.last = max(s.last, n)
		}
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	h := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		s.serve(c)
	})}
	h.Protocols = new(http.Protocols)
	h.Protocols.SetHTTP1(true)
	h.Protocols.SetUnencryptedHTTP2(true)
	if err := h2.ConfigureServer(h, nil); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = h.Close()
	}()
	if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *ledger) note(format string, args ...any) {
	fmt.Fprintf(s.file, format+"\n", args...)
}

func (s *ledger) serve(c *websocket.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for first := true; ; first = false {
		_, p, err := c.Read(ctx)
		if err != nil {
			return
		}
		text := string(p)
		var n, seen, acked, begun int
		switch {
		case first && scans(text, "resume %d %d %d %d", &n, &seen, &acked, &begun):
			s.note("resume %d %d", n, acked)
			s.comes(begun)
			go s.send(ctx, c, seen)
			continue
		case !first && scans(text, "c %d ", &n):
			s.note("got %d", n)
			s.comes(n)
		default:
			s.note("bad %.100q", text)
			return
		}
		if n%ledgerEvery == 0 {
			if err := c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "a %d", n)); err != nil {
				return
			}
		}
	}
}

// comes says how far the client has come.
func (s *ledger) comes(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > s.last {
		s.last = n
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

// send sends what comes behind the message seen.
func (s *ledger) send(ctx context.Context, c *websocket.Conn, seen int) {
	for n := seen + 1; n <= ledgerTotal; n++ {
		for {
			s.mu.Lock()
			most, changed := s.last+ledgerAhead, s.changed
			s.mu.Unlock()
			if n <= most {
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
		if err := c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "s %d %s", n, filler(n))); err != nil {
			return
		}
	}
}

// filler makes messages of different lengths.
func filler(n int) string { return strings.Repeat("x", n*37%500) }

func scans(text, format string, into ...any) bool {
	_, err := fmt.Sscanf(text, format, into...)
	return err == nil
}

// entry is a connection in the ledger's file.
type entry struct {
	number, acked int
	got           []int
}

// readLedger reads what the servers wrote, connection by connection.
func readLedger(t *testing.T, file string) (all []entry) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var e entry
		var n int
		switch {
		case scans(line, "resume %d %d", &e.number, &e.acked):
			all = append(all, e)
		case scans(line, "got %d", &n) && len(all) > 0:
			last := &all[len(all)-1]
			last.got = append(last.got, n)
		default:
			t.Errorf("the server's file has %q", line)
		}
	}
	return all
}
