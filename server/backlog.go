package server

import (
	"bytes"
	"reflect"

	"github.com/lariat-go/websocket"
)

// itemCost is what a message that waits costs beside its data, in bytes.
const itemCost = 64

// queue holds messages that are not encoded yet, so that they can be dropped
// without harm to a compressor's memory. A nil queue is empty.
type queue struct {
	items []item
	first int         // items[:first] are gone
	bytes int         // of what waits
	keyed map[any]int // index of the item with a key, counted from the beginning of time
	base  int         // index of items[0], counted so
}

func (q *queue) waiting() bool { return q != nil && q.first < len(q.items) }

func (q *queue) size() int {
	if q == nil {
		return 0
	}
	return q.bytes
}

// push appends a message of its own memory.
func (q *queue) push(m item) {
	if m.key != nil {
		if q.keyed == nil {
			q.keyed = make(map[any]int)
		}
		q.keyed[m.key] = q.base + len(q.items)
	}
	q.items = append(q.items, m)
	q.bytes += len(m.data) + itemCost
}

// pop returns the message that waits longest.
func (q *queue) pop() (item, bool) {
	if !q.waiting() {
		return item{}, false
	}
	m := q.items[q.first]
	if m.key != nil && q.keyed[m.key] == q.base+q.first {
		delete(q.keyed, m.key)
	}
	q.items[q.first] = item{}
	q.first++
	q.bytes -= len(m.data) + itemCost
	switch {
	case q.first == len(q.items):
		q.base += q.first
		q.items, q.first = nil, 0
	case q.first > 32 && q.first > len(q.items)/2:
		n := copy(q.items, q.items[q.first:])
		clear(q.items[n:])
		q.base += q.first
		q.items, q.first = q.items[:n], 0
	}
	return m, true
}

// find returns the message that waits with a key, nil for none.
func (q *queue) find(key any) *item {
	if q == nil || key == nil {
		return nil
	}
	if i, ok := q.keyed[key]; ok {
		return &q.items[i-q.base]
	}
	return nil
}

func (q *queue) clear() {
	if q != nil {
		*q = queue{}
	}
}

// own returns m with memory of its own.
func (m *item) own() item {
	o := item{opcode: m.opcode, skip: m.skip, key: m.key, prepared: m.prepared}
	if m.prepared != nil {
		o.data = m.prepared.Message().Data
	} else {
		o.data = bytes.Clone(m.data)
	}
	return o
}

// admit judges a message to a peer that is behind. queued says that it waits in
// the queue now; otherwise it is to be encoded. s.mu is held.
func (s *Session) admit(m *item) (queued bool, err error) {
	r, b := s.more(), &s.conf.backlog
	if s.replace(m) {
		return true, nil
	}
	if b.Policy == PolicyDropOldest {
		for s.tooMuch(len(m.data)) && r.queue.waiting() {
			r.queue.pop()
			s.conf.srv.counters.dropped(s.shard)
			if s.replace(m) {
				return true, nil
			}
		}
	}
	if s.tooMuch(len(m.data)) {
		s.conf.srv.counters.dropped(s.shard)
		if b.Policy == PolicyClose {
			s.tooSlow()
			return false, ErrSlowPeer
		}
		return false, ErrBackpressure
	}
	if m.key == nil && b.Policy != PolicyDropOldest && !r.queue.waiting() {
		return false, nil
	}
	if r.queue == nil {
		r.queue = &queue{}
	}
	r.queue.push(m.own())
	s.unsaid++
	return true, nil
}

// replace puts m in the place of the message that waits with its key, unless it
// is longer by too much. s.mu is held.
func (s *Session) replace(m *item) bool {
	q := s.rare.queue
	old := q.find(m.key)
	if old == nil {
		return false
	}
	more := len(m.data) - len(old.data)
	if more > 0 && s.tooMuch(more) {
		return false
	}
	q.bytes += more
	*old = m.own()
	s.conf.srv.counters.dropped(s.shard)
	return true
}

// tooMuch reports whether n bytes more would lead beyond the hard limit. s.mu is
// held.
func (s *Session) tooMuch(n int) bool {
	hard, owed := s.conf.backlog.Hard, s.owed()
	return hard >= 0 && owed > 0 && owed+n > hard
}

// checkKey refuses a key that cannot be compared.
func checkKey(key any) error {
	if key != nil && !reflect.ValueOf(key).Comparable() {
		return &websocket.OptionError{Field: "key", Value: key, Want: "a value that can be compared, as a string"}
	}
	return nil
}
