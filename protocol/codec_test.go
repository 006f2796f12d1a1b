package protocol_test

import (
	"errors"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
)

// rle is a codec for tests: a message is pairs of a count and a byte. It grows
// and shrinks, keeps state between pieces, may have nothing to say at the end,
// and can be damaged: a count of 0, or half a pair at the end.
type rle struct {
	count  byte // of the pair that a piece ended in; 0 for none
	skip   bool // do not code anything
	closed int
}

func (*rle) RSV() frame.RSV { return frame.RSV1 }

func (c *rle) Encode(dst, p []byte, m *extension.Message) ([]byte, error) {
	if m.First {
		m.Coded = !m.Skip && !c.skip
	}
	if !m.Coded {
		return append(dst, p...), nil
	}
	for len(p) > 0 {
		n := 1
		for n < len(p) && n < 255 && p[n] == p[0] {
			n++
		}
		dst = append(dst, byte(n), p[0])
		p = p[n:]
	}
	return dst, nil
}

func (c *rle) Decode(dst, p []byte, m *extension.Message) ([]byte, error) {
	if m.First {
		c.count = 0
	}
	for _, b := range p {
		if c.count == 0 {
			if b == 0 {
				return dst, frame.ErrExtensionData
			}
			c.count = b
			continue
		}
		for ; c.count > 0; c.count-- {
			if m.Limit > 0 && m.Size >= m.Limit {
				return dst, frame.ErrMessageTooBig
			}
			dst = append(dst, b)
			m.Size++
		}
	}
	if m.Final && c.count != 0 {
		return dst, frame.ErrExtensionData
	}
	return dst, nil
}

func (c *rle) Close() { c.closed++ }

// flip owns no reserved bit, so it sees every message: it inverts all bytes.
type flip struct{}

func (flip) RSV() frame.RSV { return 0 }

func (flip) Encode(dst, p []byte, _ *extension.Message) ([]byte, error) {
	for _, b := range p {
		dst = append(dst, ^b)
	}
	return dst, nil
}

func (f flip) Decode(dst, p []byte, m *extension.Message) ([]byte, error) {
	return f.Encode(dst, p, m)
}

func (flip) Close() {}

// broken fails with an error of its own.
type broken struct{}

var errBroken = errors.New("out of order")

func (broken) RSV() frame.RSV { return frame.RSV2 | frame.RSV3 }

func (broken) Encode(dst, _ []byte, _ *extension.Message) ([]byte, error) {
	return append(dst, "rest"...), errBroken
}

func (broken) Decode(dst, _ []byte, _ *extension.Message) ([]byte, error) {
	return append(dst, "rest"...), errBroken
}

func (broken) Close() {}

// codecs are the fakes by the name that testdata uses.
func newCodec(name string) extension.Codec {
	switch name {
	case "rle":
		return &rle{}
	case "flip":
		return flip{}
	case "broken":
		return broken{}
	}
	return nil
}
