//go:build linux

package poll

// MonitorSleeps reports whether the monitor has nothing to watch.
func (p *Poller) MonitorSleeps() bool { return p.asleep.Load() }
