package h2_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/h2"
)

// DATA beyond the windows.
func TestWindowsAreEnforced(t *testing.T) {
	e := server(t, h2.Config{StreamWindow: 70000, ConnWindow: 100000})
	chunk := strings.Repeat("x", 10000)
	e.in(post(1), post(3))
	for range 7 {
		e.in(data(1, 0, chunk))
	}
	e.events()
	e.flush() // the connection's window is opened on receipt
	e.in(data(1, 0, "y"))
	e.want("reset 1 FLOW_CONTROL_ERROR")
	e.sent(reset(1, h2.ErrCodeFlowControl))

	e = server(t, h2.Config{ConnWindow: 65535, StreamWindow: 1 << 20, MaxFrameSize: 1 << 17})
	e.in(post(1), data(1, 0, strings.Repeat("x", 65536)))
	e.failed(h2.ErrCodeFlowControl)
}

// RFC 9113, section 6.9.3: before the peer has acknowledged our SETTINGS it may
// go by the initial window.
func TestSmallWindowBeforeAcknowledgement(t *testing.T) {
	for _, acked := range []bool{false, true} {
		e := newEnd(t, h2.Config{Role: h2.RoleServer, StreamWindow: 100})
		e.feed([]byte(preface))
		e.in(settings())
		if acked {
			e.in(wire{h2.FrameSettings, 1, 0, nil})
		}
		e.in(post(1))
		e.events()
		e.in(data(1, 0, strings.Repeat("x", 101)))
		if got := outcome(e); strings.HasPrefix(got, "data") == acked {
			t.Errorf("acknowledged %v: %.60s", acked, got)
		}
	}
}

// The stream's window is opened by halves, and sooner when it is nearly used
// up; the connection's on receipt. Nothing is told after END_STREAM.
func TestCredit(t *testing.T) {
	e := server(t, h2.Config{StreamWindow: 8000, ConnWindow: 65536})
	e.in(wire{h2.FrameSettings, 1, 0, nil})
	e.in(post(1))
	s := e.stream()
	feed := func(n int) { e.in(data(1, 0, strings.Repeat("x", n))) }
	feed(4500)
	e.c.Consumed(s, 3999)
	e.c.Consumed(s, 0)
	if e.sent(); e.c.HasOutput() {
		t.Error("told too soon")
	}
	e.c.Consumed(s, 1)
	e.sent(update(1, 4000))
	feed(7400) // of 7500 there is little left
	e.c.Consumed(s, 900)
	e.sent()
	e.c.Consumed(s, 100)
	e.sent(update(1, 1000))
	e.in(wire{h2.FrameData, 8, 1, append([]byte{255}, make([]byte, 255)...)}) // nobody reads padding
	e.c.Consumed(s, 700)
	e.sent()
	e.c.Consumed(s, 50)
	e.sent(update(1, 1006))
	e.in(data(1, 1, ""))
	e.c.Consumed(s, 8000)
	e.sent()

	// Half of the connection's window, from streams nobody reads.
	e = server(t, h2.Config{ConnWindow: 100000})
	for i := range uint32(5) {
		e.in(post(2*i+1), data(2*i+1, 0, strings.Repeat("x", 9999)))
	}
	e.sent()
	e.in(data(1, 0, "12345"))
	e.sent(update(0, 50000))
}

// Little is sent at once by those who have no clock to wait by.
func TestSendAtOnce(t *testing.T) {
	for _, once := range []bool{false, true} {
		e := client(t, h2.Config{SendAtOnce: once}, 4, 10)
		s := ask(e, "POST", false)
		e.flush()
		n, err := e.c.Write(s, make([]byte, 2000), nil, false)
		if want := map[bool]int{true: 10}[once]; n != want || err != nil || e.c.Retry() {
			t.Errorf("at once %v: took %d, %v", once, n, err)
		}
		e.in(update(1, 5))
		if err := e.c.Queue(s, make([]byte, 2000), true); err != nil {
			t.Fatal(err)
		}
		if e.c.Retry() == once || e.c.HasOutput() != once {
			t.Errorf("at once %v: Retry says %v", once, e.c.Retry())
		}
	}
}

// Two ends that send at random, in pieces at random: everything arrives, in
// order, and neither breaks a rule of the other.
func TestFlowProperty(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		simulate(t, r, h2.Config{
			StreamWindow: 1 + r.Uint32N(1<<r.UintN(18)), ConnWindow: 65535 + r.Uint32N(1<<r.UintN(20)),
			MaxFrameSize: 16384 + r.Uint32N(3)*8000, NonProgress: -1,
		})
	}
}

// side is one end of simulate, with what it is to send and has got, by stream.
type side struct {
	*end
	streams []*h2.Stream
	left    [][]byte
	queued  []int // bytes in the queue; 0: none
	got     [][]byte
	unread  []int
	ended   []bool // the peer's direction
	done    []bool // ours
}

const perSide = 5 // streams of simulate

func newSide(e *end, r *rand.Rand, window uint32) *side {
	most := uint32(19)
	if window < 2000 { // 50 ms for so much
		most = 9
	}
	s := &side{end: e, streams: make([]*h2.Stream, perSide), queued: make([]int, perSide), got: make([][]byte, perSide)}
	s.unread, s.ended, s.done = make([]int, perSide), make([]bool, perSide), make([]bool, perSide)
	for i := range perSide {
		p := make([]byte, r.IntN(1<<r.Uint32N(most)))
		for k := range p {
			p[k] = byte(k*(i+3) + k>>8)
		}
		s.left = append(s.left, p)
	}
	return s
}

func simulate(t *testing.T, r *rand.Rand, cfg h2.Config) {
	scfg, ccfg := cfg, cfg
	scfg.Role = h2.RoleServer
	ccfg.StreamWindow = 1 + r.Uint32N(200000)
	a, b := newSide(newEnd(t, ccfg), r, scfg.StreamWindow), newSide(newEnd(t, scfg), r, ccfg.StreamWindow)
	wantA, wantB := append([][]byte(nil), a.left...), append([][]byte(nil), b.left...)
	for i := range perSide {
		s, err := a.c.Open(&h2.Head{Method: "POST", Scheme: "https", Authority: "a", Path: "/", ContentLength: int64(len(a.left[i]))}, false)
		if err != nil {
			t.Fatal(err)
		}
		s.Owner, a.streams[i] = i, s
	}
	now := int64(0)
	for step := 0; ; step++ {
		if step > 300000 {
			t.Fatalf("stuck: done %v %v, ended %v %v", a.done, b.done, a.ended, b.ended)
		}
		now += r.Int64N(10e6)
		a.c.SetTime(now)
		b.c.SetTime(now)
		a.move(r, b)
		b.move(r, a)
		if a.finished() && b.finished() {
			break
		}
	}
	for i := range perSide {
		if !bytes.Equal(b.got[i], wantA[i]) || !bytes.Equal(a.got[i], wantB[i]) {
			t.Fatalf("stream %d: %d of %d and %d of %d bytes", i, len(b.got[i]), len(wantA[i]), len(a.got[i]), len(wantB[i]))
		}
		b.c.Release(b.streams[i])
	}
	if !a.c.Idle() || !b.c.Idle() {
		t.Error("not idle")
	}
}

func (s *side) finished() bool {
	for i := range perSide {
		if !s.ended[i] || !s.done[i] {
			return false
		}
	}
	return true
}

// move does something at random, and gives to the other what is to be sent.
func (s *side) move(r *rand.Rand, to *side) {
	i := r.IntN(perSide)
	if st := s.streams[i]; st != nil {
		s.act(r, i, st)
	}
	if r.IntN(3) > 0 {
		return
	}
	limit := 1 + r.IntN(1<<r.UintN(18))
	out := s.c.Output(nil, limit)
	for _, w := range s.c.Written() {
		k := w.Owner.(int)
		s.left[k], s.queued[k] = s.left[k][s.queued[k]:], 0
		s.done[k] = len(s.left[k]) == 0
	}
	to.take(r, out)
}

func (s *side) act(r *rand.Rand, i int, st *h2.Stream) {
	if n := r.IntN(s.unread[i] + 1); n > 0 {
		s.c.Consumed(st, n)
		s.unread[i] -= n
	}
	p := s.left[i]
	if s.done[i] {
		return
	}
	switch n := min(len(p), r.IntN(1<<r.UintN(19))); {
	case s.queued[i] > 0 && r.IntN(20) == 0:
		n := s.queued[i] - s.c.Unqueue(st)
		s.left[i], s.queued[i] = p[n:], 0
	case s.queued[i] > 0:
	case r.IntN(3) == 0 && n > 0:
		if err := s.c.Queue(st, p[:n], n == len(p)); err != nil {
			s.t.Fatal(err)
		}
		s.queued[i] = n
	default:
		cut := r.IntN(n + 1)
		k, err := s.c.Write(st, p[:cut], p[cut:n], n == len(p))
		if err != nil {
			s.t.Fatal(err)
		}
		s.left[i] = p[k:]
		s.done[i] = k == len(p)
	}
}

// take gives p to the machine, in pieces.
func (s *side) take(r *rand.Rand, p []byte) {
	for len(p) > 0 {
		n := 1 + r.IntN(len(p))
		s.feed(p[:n])
		s.ok()
		p = p[n:]
		for _, ev := range s.evs {
			switch {
			case ev.Kind == h2.KindHead && ev.Stream.Owner == nil:
				i := int(ev.Stream.ID / 2)
				ev.Stream.Owner, s.streams[i] = i, ev.Stream
				respond(s.end, ev.Stream, false)
			case ev.Kind == h2.KindReset || ev.Kind == h2.KindGoAway:
				s.t.Fatal(describe(ev))
			case ev.Kind == h2.KindData:
				i := ev.Stream.Owner.(int)
				s.got[i] = append(s.got[i], ev.Data...)
				s.unread[i] += len(ev.Data)
				s.ended[i] = s.ended[i] || ev.End
			}
		}
		s.events()
	}
}
