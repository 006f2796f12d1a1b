package poll

// watch is the monitor's goroutine.
func (p *Poller) watch() {
	defer close(p.gone)
	<-p.quit
}

func (p *Poller) rouseMonitor() {}
