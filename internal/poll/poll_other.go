//go:build !linux

package poll

import "net/netip"

// Poller watches over descriptors; there is none on this system.
type Poller struct{}

// New gives [ErrUnsupported].
func New(*Options) (*Poller, error) { return nil, ErrUnsupported }

// Add gives [ErrUnsupported].
func (*Poller) Add(*Desc, int, Source) error { return ErrUnsupported }

// Close does nothing.
func (*Poller) Close() {}

// Worker is a goroutine that calls sources; there is none on this system.
type Worker struct{}

// Buffer returns nil.
func (*Worker) Buffer() []byte { return nil }

// Filled does nothing.
func (*Worker) Filled() {}

// Desc is a descriptor in a poller; there is none on this system.
type Desc struct{}

// Read gives [ErrUnsupported].
func (*Desc) Read([]byte) (int, error) { return 0, ErrUnsupported }

// Write gives [ErrUnsupported].
func (*Desc) Write(_, _ []byte) (int, error) { return 0, ErrUnsupported }

// CloseWrite gives [ErrUnsupported].
func (*Desc) CloseWrite() error { return ErrUnsupported }

// Abort gives [ErrUnsupported].
func (*Desc) Abort() error { return ErrUnsupported }

// LocalAddr returns the zero value.
func (*Desc) LocalAddr() netip.AddrPort { return netip.AddrPort{} }

// Unsent returns 0.
func (*Desc) Unsent() int { return 0 }

// Wake does nothing.
func (*Desc) Wake() {}

// Close gives [ErrUnsupported].
func (*Desc) Close() error { return errClosed }

// Release gives [ErrUnsupported].
func (*Desc) Release() (int, error) { return -1, ErrUnsupported }

// Loop returns 0.
func (*Desc) Loop() int { return 0 }
