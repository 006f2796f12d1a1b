package server_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/server"
	"github.com/lariat-go/websocket/wstest"
)

// numbered returns a message of n bytes that begins with its number.
func numbered(i, n int) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(i)), make([]byte, n-4)...)
}

// numbers reads messages until the close frame and returns their numbers.
func numbers(t testing.TB, peer *wstest.Peer, n int) (got []int, code websocket.StatusCode) {
	t.Helper()
	for {
		f := peer.Receive()
		if f.Opcode == frame.OpClose {
			code, _, _ := frame.ParseClose(f.Payload)
			return got, code
		}
		if f.Opcode != frame.OpBinary || len(f.Payload) != n {
			t.Fatalf("came %v", f)
		}
		got = append(got, int(binary.BigEndian.Uint32(f.Payload)))
	}
}

// count returns first, first+1, ... last.
func count(first, last int) (list []int) {
	for i := first; i <= last; i++ {
		list = append(list, i)
	}
	return list
}

// fill sends numbered messages from first on until one of them waits for the
// peer, who reads nothing, and returns the next number. Messages go one at a
// time, so that nothing is in the session's queues but the last of them.
func fill(t testing.TB, s *server.Session, first, n int) (next int) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		if time.Now().After(end) {
			t.Fatal("the kernel takes everything")
		}
		if err := s.Binary(numbered(first, n)); err != nil {
			t.Fatal(err)
		}
		first++
		idle := tick(250 * time.Millisecond) // longer than the kernel takes to probe a window
		for s.Backlog() > 0 {
			if idle() {
				return first
			}
			<-time.After(time.Millisecond)
		}
	}
}

// tick returns a condition that holds when d has passed.
func tick(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return time.Now().After(end) }
}

const (
	soft, hard = 128 << 10, 512 << 10
	unit       = 32 << 10 // a message
)

func backlog(p server.Policy) *server.Options {
	return &server.Options{Backlog: server.Backlog{Soft: soft, Hard: hard, Policy: p}}
}

// W1: a slow reader is owed no more than the hard limit; above the soft one the
// session says so.
func TestBacklogLimits(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, backlog(server.PolicyDropNewest), funcs{})
		peer, _ := h.peer("")
		s := wait(t, h.begun)
		next := fill(t, s, 0, unit)
		var err error
		congested := false
		for ; err == nil; next++ {
			before := s.Backlog()
			err = s.Binary(numbered(next, unit))
			if owed := s.Backlog(); owed > hard+frame.MaxHeaderSize*16 || err != nil && owed != before {
				t.Fatalf("%d bytes are owed, %d before, %v", owed, before, err)
			}
			if c := s.Congested(); c != (s.Backlog() > soft) {
				t.Errorf("Congested: %v, with %d bytes", c, s.Backlog())
			} else if c {
				congested = true
			}
		}
		if !errors.Is(err, server.ErrBackpressure) || !congested {
			t.Errorf("%v, congested %v", err, congested)
		}
		if d := h.Stats().Dropped; d != 1 {
			t.Errorf("%d dropped", d)
		}
		s.Stop() // the other messages come, in order
		got, code := numbers(t, peer, unit)
		if want := count(0, next-2); !slices.Equal(got, want) || code != 1000 {
			t.Errorf("%v, want %v, %v", got, want, code)
		}
		if st := h.Stats(); int(st.MessagesOut) != len(got) || int(st.BytesOut) < len(got)*unit {
			t.Errorf("%+v", st)
		}
	})
}

// W7: the default policy gives a slow peer up with 1013. It gets what it has
// begun to take, and the close frame.
func TestPolicyClose(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, backlog(server.PolicyClose), funcs{})
		peer, _ := h.peer("")
		s := wait(t, h.begun)
		next := fill(t, s, 0, unit)
		var err error
		for ; err == nil; next++ {
			err = s.Binary(numbered(next, unit))
		}
		if !errors.Is(err, server.ErrSlowPeer) {
			t.Error(err)
		}
		if err := s.Text("late"); err != server.ErrOver {
			t.Error(err)
		}
		r := wait(t, h.over)
		if r.Kind != server.ReasonError || r.Err != server.ErrSlowPeer || r.Close.Sent.Code != websocket.StatusTryAgainLater {
			t.Errorf("%v, %+v", r, r.Close)
		}
		got, code := numbers(t, peer, unit)
		if !slices.Equal(got, count(0, len(got)-1)) || len(got) > next-4 || code != websocket.StatusTryAgainLater {
			t.Errorf("%v of %d, %v", got, next, code)
		}
		if d := h.Stats().Dropped; d == 0 {
			t.Error("nothing was counted")
		}
	})
}

// W7: drop-oldest keeps the latest, in order, with a counter.
func TestPolicyDropOldest(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, backlog(server.PolicyDropOldest), funcs{})
		peer, _ := h.peer("")
		s := wait(t, h.begun)
		first := fill(t, s, 0, unit)
		next := first
		for ; next < first+100; next++ {
			if err := s.Binary(numbered(next, unit)); err != nil {
				t.Fatal(err)
			}
			if owed := s.Backlog(); owed > hard+64 {
				t.Fatalf("%d bytes are owed", owed)
			}
		}
		dropped := int(h.Stats().Dropped)
		s.Stop()
		got, _ := numbers(t, peer, unit)
		kept := 0 // what had left its queue when the peer fell behind
		for kept < len(got) && got[kept] == kept {
			kept++
		}
		if want := append(count(0, kept-1), count(kept+dropped, next-1)...); dropped < 50 || kept < first || !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// Keyed messages replace each other while they wait, in the place of the first,
// under every policy; others stay where they are.
func TestSendKeyed(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, policy := range []server.Policy{server.PolicyClose, server.PolicyDropNewest, server.PolicyDropOldest, server.PolicyLatest} {
			t.Run(strconv.Itoa(int(policy)), func(t *testing.T) {
				t.Parallel()
				h := serveOne(t, engine, backlog(policy), funcs{})
				peer, _ := h.peer("")
				s := wait(t, h.begun)
				first := fill(t, s, 0, unit)
				s.Binary(numbered(first, unit))
				for i := range 500 {
					for k := range 3 {
						if err := s.SendKeyed(k, websocket.Binary(numbered(10_000*(k+1)+i, unit))); err != nil {
							t.Fatal(err)
						}
					}
					if i == 250 {
						s.Binary(numbered(1, unit))
					}
				}
				replaced := int(h.Stats().Dropped)
				s.Stop()
				got, _ := numbers(t, peer, unit)
				// The kernel may have taken a few more: those were not replaced.
				if n := first + 1; len(got) < n || !slices.Equal(got[:n], count(0, first)) {
					t.Fatalf("policy %d: %v does not begin with %d messages", policy, got, n)
				}
				last, others := [3]int{}, 0
				for _, n := range got[first+1:] {
					if n == 1 {
						others++
					} else if k := n/10_000 - 1; n <= last[k] {
						t.Errorf("policy %d: %d came after %d", policy, n, last[k])
					} else {
						last[k] = n
					}
				}
				if last != [3]int{10_499, 20_499, 30_499} || others != 1 {
					t.Errorf("policy %d: the last are %d, and %d others", policy, last, others)
				}
				if keyed := len(got) - first - 2; keyed+replaced != 3*500 || replaced < 3*400 {
					t.Errorf("policy %d: %d came and %d were replaced of %d", policy, keyed, replaced, 3*500)
				}
			})
		}
	})
}

// What replaces a message must not lead beyond the hard limit either.
func TestSendKeyedIsBounded(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, policy := range []server.Policy{server.PolicyClose, server.PolicyDropNewest, server.PolicyDropOldest, server.PolicyLatest} {
			t.Run(strconv.Itoa(int(policy)), func(t *testing.T) {
				t.Parallel()
				h := serveOne(t, engine, backlog(policy), funcs{})
				h.peer("")
				s := wait(t, h.begun)
				fill(t, s, 0, unit)
				for k := range 100 {
					s.SendKeyed(k, websocket.Binary(make([]byte, 4)))
				}
				for k := range 100 {
					s.SendKeyed(k, websocket.Binary(make([]byte, hard/4)))
					if owed := s.Backlog(); owed > hard+64 {
						t.Fatalf("policy %d: %d bytes are owed", policy, owed)
					}
				}
			})
		}
	})
}

func TestSendKeyedRefusesKeys(t *testing.T) {
	h := serveOne(t, "poll", nil, funcs{})
	h.peer("")
	if err := wait(t, h.begun).SendKeyed([]int{1}, websocket.Text("x")); !errors.As(err, new(*websocket.OptionError)) {
		t.Error(err)
	}
}

// A single message beyond the hard limit is taken when nothing is owed.
func TestMessageLargerThanHard(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, policy := range []server.Policy{server.PolicyClose, server.PolicyDropNewest, server.PolicyDropOldest, server.PolicyLatest} {
			h := serveOne(t, engine, backlog(policy), funcs{})
			peer, _ := h.peer("")
			big := bytes.Repeat([]byte("0123456789abcdef"), 8*hard/16)
			if err := wait(t, h.begun).Binary(big); err != nil {
				t.Fatal(err)
			}
			peer.Expect(wstest.Binary(big))
		}
	})
}

// Dropping and replacing never harm the compressor's memory: what arrives can
// be inflated, and is what was sent.
func TestDroppingWithContextTakeover(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, policy := range []server.Policy{server.PolicyDropNewest, server.PolicyDropOldest, server.PolicyLatest} {
			o := backlog(policy)
			o.WriteTimeout, o.CloseTimeout = time.Hour, time.Hour // the peer reads in the end
			ext := []extension.Extension{deflate.New(&deflate.Options{ServerContextTakeover: true})}
			o.Extensions = ext
			h := serveOne(t, engine, o, funcs{})
			c := h.dial(&websocket.DialOptions{ConnOptions: websocket.ConnOptions{Extensions: ext}})
			s := wait(t, h.begun)
			rnd := rand.New(rand.NewPCG(1, uint64(policy)))
			text := func(i int) string { // half of it tells nothing new
				noise := make([]byte, 4<<10)
				for i := range noise {
					noise[i] = ' ' + byte(rnd.IntN(64))
				}
				return fmt.Sprintf("%d %s%s", i, strings.Repeat("again and again ", 256), noise)
			}
			sent := make(map[string]bool)
			const n = 2000
			for i := range n {
				m := text(i)
				sent[m] = true
				if i%3 == 0 {
					s.SendKeyed(i%7, websocket.Text(m))
				} else {
					s.Text(m)
				}
			}
			s.Stop()
			dropped, came, last := h.Stats().Dropped, 0, -1
			for {
				_, p, err := c.Read(h.context())
				if err != nil {
					if websocket.CloseStatus(err) != 1000 {
						t.Fatal(err)
					}
					break
				}
				if !sent[string(p)] {
					t.Fatalf("message %d was never sent: %.50q", came, p)
				}
				came++
				if i := 0; policy != server.PolicyLatest {
					fmt.Sscan(string(p), &i)
					if i <= last && i%3 != 0 {
						t.Fatalf("%d behind %d", i, last)
					}
					if i%3 != 0 {
						last = i
					}
				}
			}
			if dropped == 0 || came+int(dropped) != n {
				t.Errorf("policy %d: %d came, %d dropped", policy, came, dropped)
			}
		}
	})
}
