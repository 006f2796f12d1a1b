package reconnect

import (
	"bytes"

	"github.com/lariat-go/websocket"
)

// outbox is the queue of messages to be sent, oldest first. It waits for nothing
// and has no lock of its own.
//
// Messages are numbered from 1 on. Those up to gone are out of it: handed to a
// connection, or acknowledged. Those up to sent were handed to the connection
// that is up now; without acknowledgements sent and gone are the same.
type outbox struct {
	limits *Outbox
	items  []item // with the numbers gone+1, gone+2...
	bytes  int64
	gone   uint64
	sent   uint64
	most   uint64 // the highest number that was ever given to a connection
	again  uint64 // how many were given to one that had been given to another
}

type item struct {
	kind websocket.MessageType
	data []byte
}

// fits reports whether a message of n bytes has room now; could, whether it had
// room in an empty outbox.
func (b *outbox) fits(n int) bool {
	return b.could(n) && (b.limits.MaxMessages < 0 || len(b.items) < b.limits.MaxMessages) &&
		(b.limits.MaxBytes < 0 || b.bytes+int64(n) <= b.limits.MaxBytes)
}

func (b *outbox) could(n int) bool {
	return b.limits.MaxBytes < 0 || int64(n) <= b.limits.MaxBytes
}

// add puts a copy of a message at the end and returns its number.
func (b *outbox) add(t websocket.MessageType, p []byte) uint64 {
	b.items = append(b.items, item{t, bytes.Clone(p)})
	b.bytes += int64(len(p))
	return b.last()
}

// last returns the highest number given.
func (b *outbox) last() uint64 { return b.gone + uint64(len(b.items)) }

// unsent returns how many were not handed to the connection that is up.
func (b *outbox) unsent() int { return int(b.last() - b.sent) }

// next appends to batch what is to be given to the connection next, as far as it
// makes up limit bytes or most messages, and at least one message when there is
// any. It returns the number of the last one. From now on they may be
// acknowledged: the server can be faster than the return of the write.
func (b *outbox) next(batch []websocket.Outgoing, limit, most int) ([]websocket.Outgoing, uint64) {
	to := b.sent
	for _, it := range b.items[b.sent-b.gone:] {
		batch = append(batch, websocket.Outgoing{Opcode: it.kind, Data: it.data})
		to++
		most--
		if limit -= len(it.data); limit <= 0 || most <= 0 {
			break
		}
	}
	if old := min(to, b.most); b.limits.Acknowledge && old > b.sent {
		b.again += old - b.sent
	}
	b.most = max(b.most, to)
	return batch, to
}

// handed says that the connection has taken the messages up to a number. Some
// may have been acknowledged meanwhile.
func (b *outbox) handed(to uint64) {
	b.sent = max(b.sent, to)
	if !b.limits.Acknowledge {
		b.drop(b.sent)
	}
}

// acknowledge takes out all messages up to a number. It returns how many those
// were, and false when the number is one that was not sent yet.
func (b *outbox) acknowledge(seq uint64) (int, bool) {
	if seq > b.most {
		return 0, false
	}
	n := b.drop(seq)
	b.sent = max(b.sent, b.gone)
	return n, true
}

// drop takes out all messages up to a number.
func (b *outbox) drop(seq uint64) int {
	if seq <= b.gone {
		return 0
	}
	n := int(seq - b.gone)
	for i := range b.items[:n] {
		b.bytes -= int64(len(b.items[i].data))
		b.items[i] = item{}
	}
	b.items = b.items[n:]
	if len(b.items) == 0 {
		b.items = nil
	}
	b.gone = seq
	return n
}

// rewind says that the connection is lost: what it was given and was not
// acknowledged is to be sent again.
func (b *outbox) rewind() { b.sent = b.gone }
