package reconnect

import (
	"math/rand/v2"
	"time"
)

// schedule gives the waits between attempts: full jitter under a ceiling that
// doubles from min to max. Clients that lost their server together do not come
// back together.
type schedule struct {
	min, max time.Duration
	jitter   func(most time.Duration) time.Duration
	step     uint // waits since the last connection that was healthy
}

// next returns the next wait. A server that asked for patience is waited for so
// long, and the jitter comes on top, since it asked everybody.
func (s *schedule) next(retryAfter time.Duration) time.Duration {
	most := s.ceiling()
	s.step++
	return retryAfter + min(max(s.jitter(most), 0), most)
}

// ceiling returns the most that the jitter may be now.
func (s *schedule) ceiling() time.Duration {
	d := s.min
	for range s.step {
		if d >= s.max/2 {
			return s.max
		}
		d *= 2
	}
	return min(d, s.max)
}

// reset begins anew, after a connection that was healthy.
func (s *schedule) reset() { s.step = 0 }

// fullJitter returns a duration from 0 to most, each as likely.
func fullJitter(most time.Duration) time.Duration { return rand.N(most + 1) }
