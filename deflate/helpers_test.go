package deflate_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
)

// pair returns the codecs of a server and a client that have agreed.
func pair(t testing.TB, server, client *deflate.Options) (s, c extension.Codec) {
	t.Helper()
	se, ce := deflate.New(server), deflate.New(client)
	response, s, ok := se.Accept(ce.Offer()[0])
	if !ok {
		t.Fatalf("the offer %v was declined", ce.Offer())
	}
	c, err := ce.Confirm(response)
	if err != nil {
		t.Fatalf("Confirm(%v): %v", response, err)
	}
	t.Cleanup(func() { s.Close(); c.Close() })
	return s, c
}

// agreed returns a server's codec after the given offer.
func agreed(t testing.TB, o *deflate.Options, params ...string) extension.Codec {
	t.Helper()
	_, c, ok := deflate.New(o).Accept(offer(params...))
	if !ok {
		t.Fatalf("the offer %v was declined", params)
	}
	t.Cleanup(c.Close)
	return c
}

// offer makes an offer of parameters "name" or "name=value".
func offer(params ...string) extension.Offer {
	o := extension.Offer{Name: deflate.Name}
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		o.Params = append(o.Params, extension.Param{Name: name, Value: value})
	}
	return o
}

func format(o extension.Offer) string {
	s := o.Name
	for _, p := range o.Params {
		s += "; " + p.Name
		if p.Value != "" {
			s += "=" + p.Value
		}
	}
	return s
}

// encode sends p as one message of the given number of pieces.
func encode(t testing.TB, c extension.Codec, p []byte, pieces int) []byte {
	t.Helper()
	var out []byte
	m := extension.Message{First: true}
	for i := range pieces {
		k := len(p) / (pieces - i)
		m.First, m.Final = i == 0, i == pieces-1
		var err error
		if out, err = c.Encode(out, p[:k], &m); err != nil {
			t.Fatalf("Encode: %v", err)
		}
		p = p[k:]
	}
	if !m.Coded {
		t.Fatal("the message was not coded")
	}
	return out
}

// decode receives one message in pieces that end at the given places.
func decode(c extension.Codec, p []byte, limit int64, cuts ...int) (out []byte, err error) {
	m := extension.Message{First: true, Limit: limit}
	at := 0
	for i, cut := range append(cuts, len(p)) {
		m.Final = i == len(cuts)
		// A fresh slice for each piece: what was read before is gone.
		var piece []byte
		piece, err = c.Decode(nil, p[at:cut], &m)
		out = append(out, piece...)
		if m.Size != int64(len(out)) {
			return out, fmt.Errorf("size is %d after %d bytes", m.Size, len(out))
		}
		if err != nil || m.Final {
			return out, err
		}
		m.First = false
		at = cut
	}
	return out, err
}

// everyByte returns the places between all bytes of n.
func everyByte(n int) (cuts []int) {
	for i := 1; i < n; i++ {
		cuts = append(cuts, i)
	}
	return cuts
}

var words = strings.Fields("order shipped pending invoice refund customer address delivery warehouse express standard priority gift return exchange support ticket escalated resolved payment failed retry scheduled cancelled")

// jsonText returns about n bytes of records, others for each seed.
func jsonText(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	word := func() string { return words[r.IntN(len(words))] }
	b := []byte("[")
	for len(b) < n {
		note := word()
		for range 2 + r.IntN(6) {
			note += " " + word()
		}
		b = fmt.Appendf(b, `{"id":%d,"user":"%s%d","email":"%s.%d@example.com","active":%t,"amount":%d.%02d,"created":"2026-%02d-%02dT%02d:%02d:%02dZ","tags":["%s","%s"],"note":"%s"},`,
			r.IntN(1e7), word(), r.IntN(100), word(), r.IntN(1000), r.IntN(2) == 0, r.IntN(5000), r.IntN(100),
			1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), word(), word(), note)
	}
	return append(b[:max(n-1, 0)], ']')[:n]
}

func noise(n int, seed uint64) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(p)
	return p
}

// standard deflates p with the standard library, in the form of RFC 7692.
func standard(t testing.TB, p []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(p)
	w.Flush()
	return b.Bytes()[:b.Len()-4]
}

// judge inflates a message with the standard library. It is right when it ends
// where RFC 7692, section 7.2.1, has it end: where an empty stored block goes
// on with its length, as another length shows that does so too; or behind a
// block with BFINAL. What follows such a block is a stream of its own. The
// text that the next message may refer to is returned as well.
func judge(p, dict []byte) (out, next []byte, err error) {
	if len(p) == 0 {
		return nil, dict, nil
	}
	for {
		a, left, err := judgeStream(p, dict, "\x00\x00\xff\xff"+"\x01\x00\x00\xff\xff")
		switch {
		case err != nil:
			return nil, nil, err
		case left > 9: // another block after BFINAL
			out = append(out, a...)
			p = p[len(p)-(left-9):]
			dict = nil
		case left == 9: // none
			return append(out, a...), nil, nil
		case left == 5 || left == 0:
			b, leftB, err := judgeStream(p, dict, "\x01\x00\xfe\xffX"+"\x01\x00\x00\xff\xff")
			if err != nil || leftB != left || string(b) != string(a)+"X" {
				return nil, nil, errors.New("the end was taken for data")
			}
			if left == 0 {
				next = append(bytes.Clone(dict), a...)
			}
			return append(out, a...), next, nil
		default:
			return nil, nil, errors.New("the end was taken for data")
		}
	}
}

// judgeStream inflates up to a block with BFINAL and says how many bytes of p
// and tail it leaves.
func judgeStream(p, dict []byte, tail string) (out []byte, left int, err error) {
	in := bytes.NewReader(append(bytes.Clone(p), tail...))
	out, err = io.ReadAll(flate.NewReaderDict(in, dict))
	return out, in.Len(), err
}
