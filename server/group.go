package server

import (
	"iter"
	"slices"
	"sync"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/bufpool"
)

// Group is a set of sessions that are sent the same: a room, a topic. Sessions
// that end leave by themselves, before their Terminate. The zero value is an
// empty group; all methods may be called from any goroutine.
type Group struct {
	mu      sync.Mutex
	index   map[*Session]int
	members []*Session
}

// Add makes s a member, unless it is one or has ended, and reports whether it
// did.
func (g *Group) Add(s *Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.index[s]; ok {
		return false
	}
	if g.index == nil {
		g.index = make(map[*Session]int)
	}
	g.index[s] = len(g.members)
	g.members = append(g.members, s)
	r := s.more()
	r.groups = append(r.groups, g)
	return true
}

// Remove takes s out, and reports whether it was a member. A Broadcast that is
// under way may still reach it.
func (g *Group) Remove(s *Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rare != nil {
		if i := slices.Index(s.rare.groups, g); i >= 0 {
			s.rare.groups = slices.Delete(s.rare.groups, i, i+1)
		}
	}
	return g.forget(s)
}

// forget takes a session out that knows already.
func (g *Group) forget(s *Session) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i, ok := g.index[s]
	if !ok {
		return false
	}
	delete(g.index, s)
	last := len(g.members) - 1
	if i != last {
		moved := g.members[last]
		g.members[i] = moved
		g.index[moved] = i
	}
	g.members[last] = nil
	if g.members = g.members[:last]; last == 0 {
		g.index, g.members = nil, nil // it may have been a large group
	}
	return true
}

// Len returns how many members there are.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.members)
}

// Broadcast sends m to all members, and returns to how many of them; the others
// were ending, or had too large a backlog. It waits for nobody. For each
// compression setting the frame is built once. Two broadcasts at the same time
// may reach members in either order.
func (g *Group) Broadcast(m *websocket.Prepared) (sent int) {
	list := g.snapshot()
	for _, s := range *list {
		if s.SendPrepared(m) == nil {
			sent++
		}
	}
	clear(*list)
	*list = (*list)[:0]
	snapshots.Put(list)
	return sent
}

// Range is an iterator over the members at this moment.
func (g *Group) Range() iter.Seq[*Session] {
	return func(yield func(*Session) bool) {
		g.mu.Lock()
		list := slices.Clone(g.members)
		g.mu.Unlock()
		for _, s := range list {
			if !yield(s) {
				return
			}
		}
	}
}

// snapshots are lists of members for the time of a broadcast.
var snapshots = bufpool.Pool[*[]*Session]{New: func() *[]*Session { return new([]*Session) }}

func (g *Group) snapshot() *[]*Session {
	list := snapshots.Get()
	g.mu.Lock()
	*list = append((*list)[:0], g.members...)
	g.mu.Unlock()
	return list
}
