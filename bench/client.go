//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// dial opens a connection. i spreads the connections over local addresses, so
// that many short ones do not run out of ports.
func (s loadSpec) dial(i int) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%200))}, Timeout: 10 * time.Second}
	c, err := d.Dial("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	if s.tls {
		c = tls.Client(c, s.tlsConfig())
	}
	return c, c.SetDeadline(time.Now().Add(60 * time.Second))
}

// tlsConfig is that of a browser as far as it matters: TLS 1.3, whole records.
func (s loadSpec) tlsConfig() *tls.Config {
	c := &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, DynamicRecordSizingDisabled: true,
		NextProtos: []string{"http/1.1"},
	}
	if s.h2 {
		c.NextProtos = []string{"h2", "http/1.1"}
	}
	return c
}

// upgrade performs the opening handshake, or for a bare echo sends and gets back
// the same bytes.
func (s loadSpec) upgrade(c net.Conn, request, buf []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	if s.raw {
		_, err := io.ReadFull(c, buf[:len(request)])
		return err
	}
	n := 0
	for !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
		k, err := c.Read(buf[n:])
		if err != nil {
			return fmt.Errorf("answer to the upgrade: %w (%.200q)", err, buf[:n])
		}
		n += k
	}
	_, err := checkUpgrade(buf[:n], s.mode)
	return err
}

// loadIdle opens connections, has spec.inFlight messages echoed on each, one at
// a time, and holds them until it is told to go on. Then it asks each once more,
// to see that it is still there.
func loadIdle(s loadSpec, p *phases) error {
	rs := s
	rs.inFlight = 1
	ring, err := rs.ring()
	if err != nil {
		return err
	}
	request := upgradeRequest(s.addr, s.mode, s.tls)
	conns := make([]net.Conn, s.conns)
	err = parallel(8, s.conns, func(i int) error {
		c, err := s.dial(i)
		if err != nil {
			return err
		}
		conns[i] = c
		buf := make([]byte, 4096)
		if err := s.upgrade(c, request, buf); err != nil {
			return err
		}
		for k := range s.inFlight {
			if err := ring.exchange(c, k, buf); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := p.ready(); err != nil {
		return err
	}
	err = parallel(8, s.conns, func(i int) error {
		if err := conns[i].SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return err
		}
		if err := ring.exchange(conns[i], s.inFlight, make([]byte, 64)); err != nil {
			return fmt.Errorf("connection %d, after it was idle: %w", i, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range conns {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
	}
	return p.out.Encode(loadResult{Phase: "done", Messages: int64(s.conns)})
}

// exchange sends the k-th message of a connection and reads what comes back.
func (r *frameRing) exchange(c net.Conn, k int, buf []byte) error {
	at := k % r.n
	if _, err := c.Write(r.buf[r.off[at]:r.off[at+1]]); err != nil {
		return err
	}
	return skipFrame(c, buf)
}

// skipFrame reads one frame.
func skipFrame(c net.Conn, buf []byte) error {
	if _, err := io.ReadFull(c, buf[:2]); err != nil {
		return err
	}
	need := headerSize(buf[1])
	if _, err := io.ReadFull(c, buf[2:need]); err != nil {
		return err
	}
	n := int64(buf[1] & 0x7f)
	if n == 126 {
		n = int64(buf[2])<<8 | int64(buf[3])
	}
	if buf[0]&0xf >= opClose || n == 127 {
		return fmt.Errorf("unexpected frame header %x", buf[:need])
	}
	_, err := io.CopyN(io.Discard, c, n)
	return err
}

// loadHandshake opens and closes connections, spec.conns at a time: upgrade,
// close frame, the server's close frame, the end of its TCP connection.
func loadHandshake(s loadSpec, p *phases) error {
	request := upgradeRequest(s.addr, s.mode, s.tls)
	closing := appendFrame(nil, finBit|opClose, [4]byte{1, 2, 3, 4}, []byte{0x03, 0xe8})
	once := func(i int, buf []byte) error {
		c, err := s.dial(i)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := s.upgrade(c, request, buf); err != nil {
			return err
		}
		want := []byte{finBit | opClose, 2, 0x03, 0xe8}
		if s.raw {
			want = closing
		}
		if _, err := c.Write(closing); err != nil {
			return err
		}
		if s.raw {
			if _, err := io.ReadFull(c, buf[:len(want)]); err != nil {
				return err
			}
			return errors.Join(c.(*net.TCPConn).CloseWrite(), expectEOF(c, buf))
		}
		n := 0
		for {
			k, err := c.Read(buf[n:])
			n += k
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
		}
		if !bytes.Equal(buf[:n], want) {
			return fmt.Errorf("the close frame was answered with %x", buf[:n])
		}
		return nil
	}
	run := func(d time.Duration) (int64, error) {
		deadline := time.Now().Add(d)
		var done atomic.Int64
		err := parallel(s.conns, s.conns, func(i int) error {
			buf := make([]byte, 4096)
			for time.Now().Before(deadline) {
				if err := once(i, buf); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
		return done.Load(), err
	}
	if _, err := run(s.warmUp); err != nil {
		return err
	}
	if err := p.ready(); err != nil {
		return err
	}
	return p.measure(s, func(r *loadResult) (err error) {
		r.Messages, err = run(s.duration)
		return err
	})
}

func expectEOF(c net.Conn, buf []byte) error {
	if n, err := c.Read(buf); err != io.EOF {
		return fmt.Errorf("%d bytes after the end: %v", n, err)
	}
	return nil
}

// parallel calls f for 0 to n-1 from k goroutines and returns the first error.
func parallel(k, n int, f func(i int) error) error {
	var (
		next  atomic.Int64
		once  sync.Once
		first error
		wg    sync.WaitGroup
	)
	for range k {
		wg.Go(func() {
			for {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				if err := f(i); err != nil {
					once.Do(func() { first = err })
					next.Store(int64(n))
					return
				}
			}
		})
	}
	wg.Wait()
	return first
}
