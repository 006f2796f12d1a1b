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
	mu    sync.Mutex
	p     *Poller
	users int
	timer *time.Timer
}

// Take returns the Poller, nil where there can be none. Whoever has got one calls
// Give in the end.
func (s *Shared) Take() *Poller {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.p == nil {
		p, err := New(&Options{})
		if err != nil {
			return nil
		}
		s.p = p
	}
	s.users++
	return s.p
}

// Give says that one who has called Take has closed its Descs.
func (s *Shared) Give() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users > 0 {
		return
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(rest, s.stop)
	} else {
		s.timer.Reset(rest)
	}
}

func (s *Shared) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 && s.p != nil {
		go s.p.Close()
		s.p = nil
	}
}

// Back makes a connection again of a descriptor that [Take] has given.
func Back(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "tcp")
	defer f.Close()
	return net.FileConn(f)
}
