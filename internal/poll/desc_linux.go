package poll

import (
	"io"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Desc is a descriptor in a poller. It lies inside of its owner's struct, and
// must not be copied after Add. The zero value is in no poller; a Desc that was
// closed or released can't be added again.
type Desc struct {
	loop  *loop
	src   Source
	fd    int32
	slot  uint32        // in the loop's table
	gen   atomic.Uint32 // what makes it another than those that had the slot before; 0: in no poller
	state atomic.Uint32 // woken, writes
}

// What a Desc is in.
const (
	woken  = 1 << iota // on the loop's list
	writes             // registered for Writable, too: some write was not taken whole
)

// Read is one read(2), repeated when a signal interrupts it. The error is
// [ErrAgain] when there is nothing, io.EOF at the end, and a syscall.Errno
// otherwise.
func (d *Desc) Read(b []byte) (int, error) {
	if d.gen.Load() == 0 {
		return 0, errClosed
	}
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, err := syscall.Read(int(d.fd), b)
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case err == syscall.EAGAIN:
			return 0, ErrAgain
		case err != syscall.EINTR:
			return 0, err
		}
	}
}

// Write writes p and then tail, until all is written or the kernel takes no
// more. What it returns is how much was taken; less than everything without an
// error means that Writable will come. The error is a syscall.Errno.
func (d *Desc) Write(p, tail []byte) (n int, err error) {
	if d.gen.Load() == 0 {
		return 0, errClosed
	}
	for len(p)+len(tail) > 0 {
		m, err := writeBoth(int(d.fd), p, tail)
		switch {
		case m > 0:
			n += m
			k := min(m, len(p))
			p, tail = p[k:], tail[m-k:]
		case err == syscall.EAGAIN:
			return n, d.awaitWritable()
		case err == nil:
			return n, io.ErrShortWrite // nothing written, and no reason: never on a socket
		case err != syscall.EINTR:
			return n, err
		}
	}
	return n, nil
}

// awaitWritable registers d for Writable, the first time that this is needed:
// most descriptors never do, and are spared the events. If there is room by now,
// the kernel says so at once.
func (d *Desc) awaitWritable() error {
	if d.state.Load()&writes != 0 {
		return nil
	}
	d.state.Or(writes)
	d.loop.mu.Lock()
	defer d.loop.mu.Unlock()
	if d.loop.closed {
		return nil // no more events, for nobody
	}
	return d.loop.control(syscall.EPOLL_CTL_MOD, int(d.fd), item{d.slot, d.gen.Load()}, syscall.EPOLLOUT)
}

// writeBoth writes p and then tail, with one system call.
func writeBoth(fd int, p, tail []byte) (int, error) {
	if len(p) > 0 && len(tail) > 0 {
		both := [2][]byte{p, tail}
		return unix.Writev(fd, both[:])
	}
	if len(p) == 0 {
		p = tail
	}
	return syscall.Write(fd, p)
}

// CloseWrite ends what is sent to the peer (shutdown(2) with SHUT_WR): it reads
// the end after what was written.
func (d *Desc) CloseWrite() error {
	if d.gen.Load() == 0 {
		return errClosed
	}
	return os.NewSyscallError("shutdown", syscall.Shutdown(int(d.fd), syscall.SHUT_WR))
}

// Abort ends both directions (shutdown(2) with SHUT_RDWR), also while others
// read and write: they find the end. The Desc is still to be closed.
func (d *Desc) Abort() error {
	if d.gen.Load() == 0 {
		return errClosed
	}
	return os.NewSyscallError("shutdown", syscall.Shutdown(int(d.fd), syscall.SHUT_RDWR))
}

// LocalAddr returns the address of this end of a TCP connection, the zero value
// for none.
func (d *Desc) LocalAddr() netip.AddrPort {
	if d.gen.Load() == 0 {
		return netip.AddrPort{}
	}
	sa, err := syscall.Getsockname(int(d.fd))
	if err != nil {
		return netip.AddrPort{}
	}
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// Unsent returns how many bytes the kernel has taken and the peer has not
// acknowledged.
func (d *Desc) Unsent() int {
	if d.gen.Load() == 0 {
		return 0
	}
	n, _ := unix.IoctlGetInt(int(d.fd), unix.SIOCOUTQ)
	return n
}

// Wake has Ready called with Woken, soon. Any goroutine may call it, also
// before Ready has returned and after Close, when it does nothing. Several
// calls before Ready begins are one. It allocates nothing.
func (d *Desc) Wake() {
	gen := d.gen.Load()
	if gen == 0 || d.state.Load()&woken != 0 || d.state.Or(woken)&woken != 0 {
		return
	}
	d.loop.wake(item{d.slot, gen})
}

// Close closes the descriptor. Events that were on their way are dropped, but a
// worker that is just about to call Ready does so. The caller sees to it that
// no Read and no Write runs. A second Close does nothing and gives an error that is
// net.ErrClosed.
func (d *Desc) Close() error {
	if d.loop == nil {
		return errClosed
	}
	// The kernel forgets a descriptor that is closed: no epoll_ctl.
	if ok, _ := d.loop.remove(d, false); !ok {
		return errClosed
	}
	return os.NewSyscallError("close", syscall.Close(int(d.fd)))
}

// Release takes the descriptor out of the poller and returns it, open and
// nonblocking, to be used by other means. As with Close, Ready may be called
// once more.
func (d *Desc) Release() (fd int, err error) {
	if d.loop == nil {
		return -1, errClosed
	}
	ok, err := d.loop.remove(d, true)
	if !ok {
		return -1, errClosed
	}
	return int(d.fd), err
}

// Loop returns the number of the loop that d is in, from 0 to the number of
// workers less one. d must have been added.
func (d *Desc) Loop() int { return d.loop.id }
