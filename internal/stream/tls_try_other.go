//go:build unix && !linux

package stream

type tlsRoom struct{}

// TryWrite writes nothing: crypto/tls would wait for the kernel.
func (s *tlsSocket) TryWrite(_, _ []byte) (int, error) { return 0, nil }
