package reconnect

import (
	"fmt"
	"math"
	"testing"

	"github.com/lariat-go/websocket"
)

func texts(b []websocket.Outgoing) (s string) {
	for _, o := range b {
		s += string(o.Data) + " "
	}
	return s
}

func fill(b *outbox, n int) {
	for range n {
		b.add(websocket.MessageText, fmt.Append(nil, b.last()+1))
	}
}

// Without acknowledgements a message is out as soon as it was handed over.
func TestOutbox(t *testing.T) {
	b := outbox{limits: &Outbox{}}
	fill(&b, 5)
	batch, to := b.next(nil, math.MaxInt, 2)
	if texts(batch) != "1 2 " || to != 2 || b.unsent() != 5 {
		t.Fatalf("%s, %d, %d", texts(batch), to, b.unsent())
	}
	b.rewind() // the connection was lost before
	b.handed(to)
	if b.unsent() != 3 || b.bytes != 3 || len(b.items) != 3 || b.again != 0 {
		t.Errorf("%+v", b)
	}
	b.rewind()
	batch, to = b.next(batch[:0], 2, 64)
	if texts(batch) != "3 4 " || to != 4 {
		t.Errorf("%s, %d", texts(batch), to)
	}
	b.handed(5)
	if b.items != nil || b.bytes != 0 || b.unsent() != 0 {
		t.Errorf("%+v", b)
	}
	if batch, to = b.next(nil, 1, 1); batch != nil || to != 5 {
		t.Errorf("%v, %d", batch, to)
	}
}

// R12: a server that resumes says how far it has come, also less than before, or
// more than there was.
func TestOutboxAcknowledge(t *testing.T) {
	b := outbox{limits: &Outbox{Acknowledge: true}}
	fill(&b, 6)
	_, to := b.next(nil, math.MaxInt, 4)
	b.handed(to)
	for _, step := range []struct {
		name   string
		ack    uint64
		n      int
		ok     bool
		unsent int
	}{
		{"what was not sent", 5, 0, false, 2},
		{"some", 2, 2, true, 2},
		{"R12 older", 1, 0, true, 2},
		{"none", 0, 0, true, 2},
		{"R12 far beyond", 1 << 60, 0, false, 2},
	} {
		n, ok := b.acknowledge(step.ack)
		if n != step.n || ok != step.ok || b.unsent() != step.unsent {
			t.Errorf("%s: %d, %v, %d", step.name, n, ok, b.unsent())
		}
	}
	b.rewind()
	batch, to := b.next(nil, math.MaxInt, 1)
	if texts(batch) != "3 " || to != 3 || b.again != 1 {
		t.Errorf("after a reconnect: %s, %d, %d", texts(batch), to, b.again)
	}
	// What the earlier connection had carried is acknowledged while it is sent
	// again.
	if n, ok := b.acknowledge(4); n != 2 || !ok {
		t.Errorf("%d, %v", n, ok)
	}
	b.handed(to)
	batch, to = b.next(nil, math.MaxInt, 64)
	if texts(batch) != "5 6 " || b.again != 1 {
		t.Errorf("%s, %d", texts(batch), b.again)
	}
	// And what is under way, before the write has returned.
	if n, ok := b.acknowledge(5); n != 1 || !ok {
		t.Errorf("%d, %v", n, ok)
	}
	b.handed(to)
	b.rewind()
	batch, to = b.next(nil, math.MaxInt, 64)
	b.handed(to)
	if texts(batch) != "6 " || b.again != 2 || len(b.items) != 1 || b.bytes != 1 {
		t.Errorf("%s, %+v", texts(batch), b)
	}
	if n, ok := b.acknowledge(6); n != 1 || !ok || b.items != nil || b.bytes != 0 {
		t.Errorf("%d, %v, %+v", n, ok, b)
	}
}

// R13: both limits, at the limit and one above.
func TestOutboxLimits(t *testing.T) {
	b := outbox{limits: &Outbox{MaxMessages: 3, MaxBytes: 10}}
	if !b.could(10) || b.could(11) || !b.fits(10) || b.fits(11) {
		t.Error("R13: one message")
	}
	b.add(websocket.MessageBinary, make([]byte, 8))
	if !b.fits(2) || b.fits(3) || !b.could(3) {
		t.Error("R13: bytes")
	}
	b.add(websocket.MessageBinary, nil)
	b.add(websocket.MessageBinary, nil)
	if b.fits(0) {
		t.Error("R13: messages")
	}
	none := outbox{limits: &Outbox{MaxMessages: -1, MaxBytes: -1}}
	fill(&none, 2000)
	if !none.fits(1 << 30) {
		t.Error("R13: without limits")
	}
}

// The outbox keeps its own copy.
func TestOutboxCopies(t *testing.T) {
	b := outbox{limits: &Outbox{}}
	p := []byte("before")
	b.add(websocket.MessageText, p)
	copy(p, "after!")
	if batch, _ := b.next(nil, 1, 1); texts(batch) != "before " {
		t.Error(texts(batch))
	}
}
