package server

import (
	"runtime"
	"sync/atomic"
)

// Stats is what a [Server] has done since it was made, and what it does now.
// All but Sessions and Idle only grow, as counters of a metrics library do.
type Stats struct {
	Sessions int64 // open at present
	Idle     int64 // of them, those from which nothing came for a tenth of their idle timeout, or longer

	Opened  int64 // sessions
	Refused int64 // requests that were answered 503, because of MaxSessions or a shutdown

	MessagesIn  int64 // whole messages given to handlers
	MessagesOut int64 // messages taken for sending
	BytesIn     int64 // read, with everything around the messages
	BytesOut    int64 // written, with everything around the messages
	Dropped     int64 // messages dropped, or replaced by later ones, because of a Backlog

	// Ended counts the sessions that ended, by their reason: Ended[ReasonStop].
	Ended [numReasons]int64
}

// counters are kept apart for each worker, so that workers do not wait for each
// other's cache lines.
type counters []shard

type shard struct {
	opened, refused         atomic.Int64
	messagesIn, messagesOut atomic.Int64
	bytesIn, bytesOut       atomic.Int64
	drops, idlers           atomic.Int64
	reasons                 [numReasons]atomic.Int64
	_                       [64]byte
}

func newCounters() counters { return make(counters, min(runtime.GOMAXPROCS(0), 64)) }

func (c counters) of(i uint8) *shard { return &c[int(i)%len(c)] }

func (c counters) received(i uint8, messages, bytes int) {
	s := c.of(i)
	s.messagesIn.Add(int64(messages))
	s.bytesIn.Add(int64(bytes))
}

func (c counters) dropped(i uint8)             { c.of(i).drops.Add(1) }
func (c counters) ended(i uint8, k ReasonKind) { c.of(i).reasons[k].Add(1) }

func (c counters) sent(i uint8, messages, bytes int) {
	s := c.of(i)
	s.messagesOut.Add(int64(messages))
	s.bytesOut.Add(int64(bytes))
}

func (c counters) idle(i uint8, idle bool) {
	if idle {
		c.of(i).idlers.Add(1)
	} else {
		c.of(i).idlers.Add(-1)
	}
}

// Stats adds up the counters. It takes a microsecond or so however many
// sessions there are. The figures are not of one moment.
func (srv *Server) Stats() Stats {
	var st Stats
	for i := range srv.counters {
		s := &srv.counters[i]
		st.Idle += s.idlers.Load()
		st.Opened += s.opened.Load()
		st.Refused += s.refused.Load()
		st.MessagesIn += s.messagesIn.Load()
		st.MessagesOut += s.messagesOut.Load()
		st.BytesIn += s.bytesIn.Load()
		st.BytesOut += s.bytesOut.Load()
		st.Dropped += s.drops.Load()
		for k := range st.Ended {
			st.Ended[k] += s.reasons[k].Load()
		}
	}
	srv.mu.Lock()
	st.Sessions = int64(len(srv.sessions))
	srv.mu.Unlock()
	return st
}
