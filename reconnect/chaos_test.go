package reconnect_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/reconnect"
)

// walk is a small generator of numbers that are the same in every run.
type walk uint64

func (w *walk) next(n int) int {
	*w = *w*6364136223846793005 + 1442695040888963407
	return int(*w>>33) % n
}

// order is the grammar of events: c connect, m message, e error or close,
// d disconnect, f an attempt that failed.
var order = regexp.MustCompile(`^(f|cm*ed)*$`)

// Whatever happens, and whenever: events keep their order, messages theirs, none
// is lost or sent without need where they are acknowledged, and none comes twice
// where they are not.
func TestChaos(t *testing.T) {
	for seed := range walk(30) {
		for _, ack := range []bool{false, true} {
			bubble(t, fmt.Sprintf("seed %d, acknowledged %v", seed, ack), func(t *testing.T) { chaos(t, seed, ack) })
		}
	}
}

func chaos(t *testing.T, seed walk, ack bool) {
	w := &seed
	var mu sync.Mutex
	var conns [][]int
	s := newSite(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		refuse, dies := w.next(4) == 0, w.next(3)
		mu.Unlock()
		if refuse {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		sockets(func(c *websocket.Conn, _ *http.Request) {
			mu.Lock()
			conns = append(conns, nil)
			i := len(conns) - 1
			mu.Unlock()
			for n := 0; ; n++ {
				_, p, err := c.Read(context.Background())
				if err != nil {
					return
				}
				var number int
				fmt.Sscan(string(p), &number)
				mu.Lock()
				conns[i] = append(conns[i], number)
				mu.Unlock()
				switch {
				case n == 20 && dies == 0:
					c.Close(websocket.StatusServiceRestart, "")
					return
				case n == 30 && dies == 1:
					c.CloseNow()
					return
				}
				c.Write(context.Background(), websocket.MessageText, p)
			}
		}).ServeHTTP(rw, r)
	}))
	r := newRecorder()
	r.message = func(c *reconnect.Client, m websocket.Message) {
		var n uint64
		fmt.Sscan(string(m.Data), &n)
		if err := c.Ack(n); ack && err != nil {
			t.Errorf("Ack(%d) = %v", n, err)
		}
		if n%17 == 0 {
			time.Sleep(50 * time.Millisecond)
		}
	}
	o := options(s)
	o.Jitter = nil
	o.WhileDown, o.Outbox = reconnect.Queue, reconnect.Outbox{MaxMessages: -1, Acknowledge: ack}
	c := start(t, r, o)
	messages := 0
	for range 400 {
		mu.Lock()
		what, pause := w.next(40), w.next(200)
		mu.Unlock()
		switch what {
		case 0:
			s.Cut()
		case 1:
			s.Down(nil)
		case 2, 3, 4, 5:
			s.Up()
		case 6:
			c.Kick()
		case 7:
			c.Info()
			time.Sleep(15 * time.Second)
		default:
			for range what % 5 {
				messages++
				write(t, c, fmt.Sprint(messages))
			}
		}
		time.Sleep(time.Duration(pause) * time.Millisecond)
	}
	s.Up()
	if err := c.Flush(t.Context()); err != nil && ack {
		t.Errorf("Flush = %v", err)
	}
	synctest.Wait()
	c.Close(websocket.StatusNormalClosure, "")
	over(t, c)

	var events strings.Builder
	for _, l := range r.all() {
		switch {
		case l == "connect", strings.HasPrefix(l, "message"), strings.HasPrefix(l, "disconnect"):
			events.WriteByte(l[0])
		case strings.HasPrefix(l, "attempt"):
			events.WriteByte('f')
		default:
			events.WriteByte('e')
		}
	}
	if !order.MatchString(events.String()) {
		t.Errorf("events: %s", events.String())
	}
	mu.Lock()
	defer mu.Unlock()
	var all []int
	for i, got := range conns {
		if !slices.IsSorted(got) {
			t.Errorf("connection %d got %v", i, got)
		}
		all = append(all, got...)
	}
	if !ack && (!slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all)) {
		t.Errorf("out of order, or twice: %v", all)
	}
	slices.Sort(all)
	if got := len(slices.Compact(all)); ack && got != messages {
		t.Errorf("%d of %d messages arrived", got, messages)
	}
}
