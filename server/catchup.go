package server

import "time"

// catchUp is for a link whose session does not read the socket itself: whoever
// does has a moment for what had come before a shutdown. It is owned by whoever
// has the turn.
type catchUp struct{ end time.Time }

// drainGrace is that moment.
const drainGrace = 20 * time.Millisecond

// caughtUp reports whether it has passed. If not, evDrain comes again.
func (c *catchUp) caughtUp(s *Session) bool {
	switch now := time.Now(); {
	case c.end.IsZero():
		c.end = now.Add(drainGrace)
		time.AfterFunc(drainGrace, func() { s.kick(evDrain) })
		return false
	default:
		return !now.Before(c.end)
	}
}
