package deflate_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"testing"

	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
)

// side is one way to send and receive messages.
type side struct {
	name     string
	takeover bool
	encode   func(p []byte) []byte
	decode   func(p []byte)
}

const peerTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// standardSide uses the standard library: with takeover a live compressor per
// connection, and a reader with a window.
func standardSide(takeover bool) side {
	var b, in, out bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		panic(err)
	}
	r := flate.NewReader(&in)
	var window []byte
	return side{"compress/flate, level 1", takeover, func(p []byte) []byte {
		b.Reset()
		if !takeover {
			w.Reset(&b)
		}
		w.Write(p)
		w.Flush()
		return b.Bytes()[:b.Len()-4]
	}, func(p []byte) {
		in.Reset()
		in.Write(p)
		in.WriteString(peerTail)
		r.(flate.Resetter).Reset(&in, window)
		out.Reset()
		io.Copy(&out, r)
		if takeover {
			window = append(window, out.Bytes()...)
			window = append(window[:0], window[max(len(window)-32<<10, 0):]...)
		}
	}}
}

func ourSide(t testing.TB, takeover bool) side {
	o := &deflate.Options{Threshold: -1, ServerContextTakeover: takeover}
	s, c := pair(t, o, o)
	out, buf := make([]byte, 0, 32<<10), make([]byte, 0, 32<<10)
	m := new(extension.Message)
	return side{"this package", takeover, func(p []byte) []byte {
		*m = extension.Message{First: true, Final: true}
		p, _ = s.Encode(out, p, m)
		return p
	}, func(p []byte) {
		*m = extension.Message{First: true, Final: true, Limit: 1 << 20}
		if _, err := c.Decode(buf, p, m); err != nil {
			panic(err)
		}
	}}
}

func sides(t testing.TB) []side {
	return []side{standardSide(false), ourSide(t, false), standardSide(true), ourSide(t, true)}
}

// What we send is not larger than what the standard library sends.
func TestPeerSizes(t *testing.T) {
	for _, size := range []int{1 << 10, 16 << 10} {
		least := map[bool]int{}
		for _, s := range sides(t) {
			n := 0
			for i := range benchMessages {
				coded := s.encode(jsonText(size, uint64(i)))
				n += len(coded)
				s.decode(coded)
			}
			t.Logf("%5d bytes of JSON, takeover %5t: %-23s %5d bytes", size, s.takeover, s.name, n/benchMessages)
			if old, ok := least[s.takeover]; !ok || s.name != "this package" {
				if !ok || n < old {
					least[s.takeover] = n
				}
			} else if n > old {
				t.Errorf("%d bytes, others send %d", n/benchMessages, old/benchMessages)
			}
		}
	}
}

// BenchmarkPeers compresses and decompresses a message.
func BenchmarkPeers(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10} {
		for _, s := range sides(b) {
			b.Run(fmt.Sprintf("%d/takeover=%t/%s", size, s.takeover, s.name), func(b *testing.B) {
				texts := make([][]byte, benchMessages)
				for i := range texts {
					texts[i] = jsonText(size, uint64(i))
				}
				i, n := 0, 0
				for b.Loop() {
					coded := s.encode(texts[i%benchMessages])
					s.decode(coded)
					n += len(coded)
					i++
				}
				b.ReportMetric(float64(n)/float64(i), "wire-B/op")
			})
		}
	}
}
