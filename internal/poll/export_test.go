//go:build linux

package poll

// MonitorSleeps reports whether the monitor has nothing to watch.
func (p *Poller) MonitorSleeps() bool { return p.asleep.Load() }

// WokenRoom returns for how many entries the lists of woken have memory.
func (p *Poller) WokenRoom() (n int) {
	for _, l := range p.loops {
		l.mu.Lock()
		n += cap(l.ready)
		l.mu.Unlock()
	}
	return n
}
