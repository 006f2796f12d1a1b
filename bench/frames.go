//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/klauspost/compress/flate"
)

// RFC 6455, section 5.2, as far as the load generator needs it.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
	finBit   = 0x80
	rsv1Bit  = 0x40
	maskBit  = 0x80
)

// frameRing is a sequence of masked frames, one message each, sent over and
// over by every connection. The first frames are there a second time after the
// last one, so that any run of at most maxRun frames is one piece of memory.
type frameRing struct {
	op    byte     // opText or opBinary
	n     int      // frames in the sequence
	buf   []byte   // n + maxRun frames
	off   []int    // where frame i starts; len is n + maxRun + 1
	plain [][]byte // payload before compression and masking
	// chain says that a frame's compression refers to the frames before it, so
	// that each connection has to start with the first.
	chain bool
	// sleeper says that the last message of the sequence asks the server to
	// sleep.
	sleeper bool
}

// appendFrame appends a masked frame.
func appendFrame(dst []byte, b0 byte, mask [4]byte, payload []byte) []byte {
	dst = append(dst, b0)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, maskBit|byte(n))
	case n < 1<<16:
		dst = append(dst, maskBit|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, maskBit|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	dst = append(dst, mask[:]...)
	for i, b := range payload {
		dst = append(dst, b^mask[i&3])
	}
	return dst
}

// newRing frames payloads. compress, when not nil, is what a payload is sent
// as.
func newRing(op byte, payloads [][]byte, maxRun int, compress func([]byte) ([]byte, error)) (*frameRing, error) {
	r := &frameRing{op: op, n: len(payloads), plain: payloads}
	rnd := rand.New(rand.NewPCG(6455, 7692))
	b0 := finBit | op
	if compress != nil {
		b0 |= rsv1Bit
	}
	for _, p := range payloads {
		if compress != nil {
			var err error
			if p, err = compress(p); err != nil {
				return nil, err
			}
		}
		var mask [4]byte
		binary.NativeEndian.PutUint32(mask[:], rnd.Uint32())
		r.off = append(r.off, len(r.buf))
		r.buf = appendFrame(r.buf, b0, mask, p)
	}
	r.off = append(r.off, len(r.buf))
	for i := range maxRun {
		r.buf = append(r.buf, r.buf[r.off[i]:r.off[i+1]]...)
		r.off = append(r.off, len(r.buf))
	}
	return r, nil
}

// randomPayloads returns n payloads of size bytes that nobody could compress.
func randomPayloads(n, size int) [][]byte {
	rnd := rand.NewChaCha8([32]byte{'b', 'e', 'n', 'c', 'h'})
	ps := make([][]byte, n)
	for i := range ps {
		ps[i] = make([]byte, size)
		_, _ = rnd.Read(ps[i])
	}
	return ps
}

// compressor returns a function that compresses messages as RFC 7692, section
// 7.2.1, has it. With takeover a message may refer to the ones before it since
// the function was made.
func compressor(takeover bool) (func([]byte) ([]byte, error), error) {
	var out bytes.Buffer
	fw, err := flate.NewWriter(&out, 6)
	if err != nil {
		return nil, err
	}
	return func(p []byte) ([]byte, error) {
		out.Reset()
		if !takeover {
			fw.Reset(&out)
		}
		if _, err := fw.Write(p); err != nil {
			return nil, err
		}
		if err := fw.Flush(); err != nil {
			return nil, err
		}
		b, ok := bytes.CutSuffix(out.Bytes(), []byte{0, 0, 0xff, 0xff})
		if !ok {
			return nil, fmt.Errorf("flate: a flush ended in %x", out.Bytes()[max(0, out.Len()-4):])
		}
		return bytes.Clone(b), nil
	}, nil
}

// inflator undoes what a server's compressor did; window is kept over messages
// when the server may refer to earlier ones.
type inflator struct {
	takeover bool
	window   []byte
}

func (f *inflator) message(p []byte) ([]byte, error) {
	src := bytes.NewReader(append(bytes.Clone(p), 0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff))
	fr := flate.NewReaderDict(src, f.window)
	var out bytes.Buffer
	if _, err := out.ReadFrom(fr); err != nil {
		return nil, fmt.Errorf("the server's compressed message does not inflate: %w", err)
	}
	if f.takeover {
		f.window = append(f.window, out.Bytes()...)
		f.window = f.window[max(0, len(f.window)-32<<10):]
	}
	return out.Bytes(), nil
}
