package reconnect

import (
	"math/rand/v2"
	"time"
)

// nextWait returns the wait after the given number of waits since the last
// connection that was healthy: full jitter under a ceiling that doubles from
// MinWait to MaxWait, so that clients that lost their server together do not come
// back together. A server that asked for patience is waited for so long, and the
// jitter comes on top, since it asked everybody.
func (o *Options) nextWait(waits int, retryAfter time.Duration) time.Duration {
	most := ceiling(o.MinWait, o.MaxWait, waits)
	return retryAfter + min(max(o.Jitter(most), 0), most)
}

// ceiling returns the most that the jitter may be.
func ceiling(least, most time.Duration, waits int) time.Duration {
	d := least
	for range waits {
		if d >= most/2 {
			return most
		}
		d *= 2
	}
	return min(d, most)
}

// fullJitter returns a duration from 0 to most, each as likely.
func fullJitter(most time.Duration) time.Duration { return rand.N(most + 1) }
