package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/lariat-go/websocket"
)

// read takes the next message into buf and counts it.
func (l *link) read(ctx context.Context, buf []byte) (websocket.MessageType, []byte, error) {
	t, p, err := l.Append(ctx, buf[:0])
	if err == nil {
		l.inMessages.Add(1)
		l.inBytes.Add(int64(len(p)))
	}
	return t, p, err
}

// wrote counts a message that was sent.
func (l *link) wrote(n int, err error) error {
	if err == nil {
		l.outMessages.Add(1)
		l.outBytes.Add(int64(n))
	}
	return err
}

func (l *link) write(ctx context.Context, t websocket.MessageType, p []byte) error {
	return l.wrote(len(p), l.Write(ctx, t, p))
}

// discard reads and forgets messages until the connection ends.
func (l *link) discard(ctx context.Context) error {
	var buf []byte
	for {
		var err error
		if _, buf, err = l.read(ctx, buf); err != nil {
			return err
		}
	}
}

// echo sends every message back.
func echo(ctx context.Context, l *link, _ *http.Request) error {
	var buf []byte
	for {
		t, p, err := l.read(ctx, buf)
		if err != nil {
			return err
		}
		if err := l.write(ctx, t, p); err != nil {
			return l.reason(ctx, err)
		}
		if buf = p; cap(buf) > 1<<20 {
			buf = nil // one large message is no reason to keep its memory
		}
	}
}

// reason returns why the connection ended, after a write failed with err: what
// reading says is more, for it knows the peer's close frame.
func (l *link) reason(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for {
		_, _, e := l.Append(ctx, nil)
		if e == nil {
			continue
		}
		if ctx.Err() != nil {
			return err
		}
		return e
	}
}

// The pace of /ticks.
const (
	tickDefault = time.Second
	tickMin     = time.Millisecond
	tickMax     = time.Hour
)

func tickInterval(s string) (time.Duration, error) {
	if s == "" {
		return tickDefault, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < tickMin || d > tickMax {
		return 0, fmt.Errorf("%q is not an interval from %v to 1h; ask for /ticks?every=500ms", trim(s, 64), tickMin)
	}
	return d, nil
}

// ticks sends the number and the time of each tick.
func ticks(ctx context.Context, l *link, every time.Duration) error {
	done := make(chan error, 1)
	go func() { done <- l.discard(ctx) }()
	t := time.NewTicker(every)
	defer t.Stop()
	for n := 1; ; n++ {
		select {
		case err := <-done:
			return err
		case now := <-t.C:
			text := fmt.Sprintf("tick %d %s", n, now.UTC().Format(time.RFC3339Nano))
			if err := l.write(ctx, websocket.MessageText, []byte(text)); err != nil {
				return <-done
			}
		}
	}
}

// hubQueue is how many messages may wait for a member of the hub before it is
// dropped as too slow.
const hubQueue = 256

// hub relays messages to all its members.
type hub struct {
	mu      sync.Mutex
	members map[*member]struct{}
}

type member struct {
	queue chan relayed
	slow  chan struct{} // closed when the queue was full
}

// relayed is a message that is built once for all members.
type relayed struct {
	message *websocket.Prepared
	size    int
}

func newHub() *hub { return &hub{members: make(map[*member]struct{})} }

func (h *hub) join() *member {
	m := &member{queue: make(chan relayed, hubQueue), slow: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.members[m] = struct{}{}
	return m
}

func (h *hub) leave(m *member) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.members, m)
}

// send gives a message to all members, in the same order to each.
func (h *hub) send(r relayed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for m := range h.members {
		select {
		case m.queue <- r:
		default:
			delete(h.members, m)
			close(m.slow)
		}
	}
}

// broadcast relays what it reads to everyone on the same path, the sender
// included.
func (b *backend) broadcast(ctx context.Context, l *link, _ *http.Request) error {
	m := b.hub.join()
	defer b.hub.leave(m)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go deliver(ctx, l, m)
	for {
		t, p, err := l.read(ctx, nil)
		if err != nil {
			return err
		}
		prepared, err := websocket.NewPrepared(t, p)
		if err != nil {
			return err
		}
		b.hub.send(relayed{prepared, len(p)})
	}
}

// deliver sends a member what waits for it.
func deliver(ctx context.Context, l *link, m *member) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.slow:
			_ = l.Close(websocket.StatusPolicyViolation, fmt.Sprintf("too slow: %d messages are waiting", hubQueue))
			return
		case r := <-m.queue:
			if l.wrote(r.size, l.WritePrepared(ctx, r.message)) != nil {
				return // the reader sees why
			}
		}
	}
}
