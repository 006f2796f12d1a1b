package poll

import (
	"net"
	"os"
	"sync"
	"time"
)

// rest is how long a shared Poller is kept when nobody uses it.
const rest = 50 * time.Millisecond

// Shared is a Poller that exists as long as somebody uses it. The zero value is
// ready. Its methods may be called by any goroutine.
type Shared struct {
	Workers int // as in [Options]; set before Take

	mu    sync.Mutex
	p     *Poller
	none  bool // there can't be one
	users int
	timer *time.Timer
}

// Take returns the Poller, nil where there can be none. Whoever has got one calls
// Give in the end.
func (s *Shared) Take() *Poller {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.p == nil && !s.none {
		p, err := New(&Options{Workers: s.Workers})
		if err != nil {
			s.none = err == ErrUnsupported
			return nil
		}
		s.p = p
	}
	if s.p != nil {
		s.users++
	}
	return s.p
}

// Give says that one who has got the Poller has closed its Descs. With keep,
// somebody may soon want it again.
func (s *Shared) Give(keep bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users--
	switch {
	case s.users > 0:
	case !keep:
		s.stop()
	case s.timer == nil:
		s.timer = time.AfterFunc(rest, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.stop()
		})
	default:
		s.timer.Reset(rest)
	}
}

// stop ends a Poller that nobody uses. s.mu is held.
func (s *Shared) stop() {
	if s.users == 0 && s.p != nil {
		go s.p.Close() // this may be one of its workers
		s.p = nil
	}
}

// Back makes a connection again of a descriptor that [Take] has given.
func Back(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "tcp")
	defer f.Close()
	return net.FileConn(f)
}
