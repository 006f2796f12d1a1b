package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/reconnect"
)

// watched is a consumer that tells a test of what it has seen.
type watched struct {
	*consumer
	seen chan counts // the latest
}

func (w *watched) OnMessage(c *reconnect.Client, m websocket.Message) {
	w.consumer.OnMessage(c, m)
	w.tell()
}

func (w *watched) tell() {
	select {
	case <-w.seen:
	default:
	}
	w.seen <- w.counts()
}

// await returns the counts once there are so many ticks.
func (w *watched) await(t *testing.T, ticks int) counts {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case n := <-w.seen:
			if n.ticks >= ticks {
				return n
			}
		case <-timeout:
			t.Fatalf("%d ticks did not come: %+v", ticks, w.counts())
		}
	}
}

// Ten kills, with ticks while it is up and while it is down: none is missing,
// none comes twice.
func TestFeedSurvivesKills(t *testing.T) {
	s := newServer("127.0.0.1:0")
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	defer s.kill()
	w := &watched{newConsumer(func(string, ...any) {}), make(chan counts, 1)}
	w.n.last = 1 // it has been here before
	c, err := reconnect.Start(t.Context(), s.url(), w, &reconnect.Options{MinWait: time.Millisecond, MaxWait: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	ticks := 0
	for range 10 {
		ticks += 1000
		s.feed.advance(1 + uint64(ticks))
		w.await(t, ticks)
		s.kill()
		ticks += 50
		s.feed.advance(1 + uint64(ticks))
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
	}
	n := w.await(t, ticks)
	if n.missing != 0 || n.repeated != 0 || n.ticks != ticks || n.last != 1+uint64(ticks) || n.connects < 11 {
		t.Errorf("%+v; want %d ticks, none missing or repeated, and a connect after each of 10 kills", n, ticks)
	}
}

// What a server has forgotten is counted as missing.
func TestMissingTicksAreCounted(t *testing.T) {
	c := newConsumer(func(string, ...any) {})
	for _, p := range []string{`{"seq":7,"price":1}`, `{"seq":8,"price":1}`, `{"seq":8,"price":1}`, `{"seq":11,"price":5}`} {
		c.OnMessage(nil, websocket.Message{Type: websocket.MessageText, Data: []byte(p)})
	}
	if n := c.counts(); n.ticks != 3 || n.missing != 2 || n.repeated != 1 || n.price != 5 {
		t.Errorf("%+v; want 3 ticks, 2 missing, 1 repeated", n)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	f := newFeed()
	f.advance(2 * history)
	ticks, _ := f.after(7)
	if len(ticks) != 256 || ticks[0].Seq != history+1 || ticks[0].Price != price(history+1) {
		t.Errorf("%d ticks from %d on; want 256, the oldest that can be asked for", len(ticks), ticks[0].Seq)
	}
	if ticks, more := f.after(2 * history); len(ticks) != 0 || more == nil {
		t.Errorf("%d ticks after the last one", len(ticks))
	}
}

// The whole program, until it is told to end.
func TestRun(t *testing.T) {
	var b strings.Builder
	out := newProgress(&b)
	out.show(counts{ticks: 3, price: 10_025, state: "up"})
	out.event("lost: %s", "it")
	if got := b.String(); !strings.HasPrefix(got, "3 ticks, ") || !strings.Contains(got, "price 100.25, missing 0") || !strings.HasSuffix(got, "  lost: it\n") {
		t.Errorf("the terminal shows %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, "", "127.0.0.1:0", 10, false); err != nil {
		t.Errorf("a server that is told to end: %v", err)
	}
	if err := run(ctx, "", "", 10, true); err != nil {
		t.Errorf("the demo, told to end: %v", err)
	}
}
