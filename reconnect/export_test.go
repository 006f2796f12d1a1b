package reconnect

import "time"

// SetClock has the client look at another wall clock.
func (o *Options) SetClock(now func() time.Time) { o.clock = now }
