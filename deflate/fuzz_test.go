package deflate_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
)

// FuzzInflate: two messages, whole and in pieces, give what the standard
// library gives, or are refused where it refuses.
func FuzzInflate(f *testing.F) {
	for _, p := range [][]byte{
		{},
		{0},
		[]byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), []byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), []byte("\xf3\x48\xcd\xc9\xc9\x07\x00"),
		[]byte("\x00\x05\x00\xfa\xffHello\x00"), standard(f, jsonText(600, 1), 6), standard(f, jsonText(600, 2), 1), standard(f, noise(300, 1), 6),
		standard(f, make([]byte, 3000), 9), standard(f, jsonText(3000, 3), -2),
		{4},
		{7},
	} {
		f.Add(p, []byte("\xf2\x00\x11\x00\x00"), uint16(3), true)
	}
	f.Fuzz(func(t *testing.T, p, q []byte, cut uint16, takeover bool) {
		const limit = 1 << 20
		o := &deflate.Options{ClientContextTakeover: takeover}
		whole, parts, bytewise := agreed(t, o), agreed(t, o), agreed(t, o)
		var dict []byte
		for _, p := range [][]byte{p, q} {
			want, next, wantErr := judge(p, dict)
			got, err := decode(whole, p, limit)
			if errors.Is(err, frame.ErrMessageTooBig) {
				if len(got) != limit {
					t.Fatalf("too big at %d bytes", len(got))
				}
				return
			}
			if (err == nil) != (wantErr == nil) || err != nil && !errors.Is(err, frame.ErrExtensionData) {
				t.Fatalf("%x: error %v, want %v", p, err, wantErr)
			}
			if err == nil && !bytes.Equal(got, want) {
				t.Fatalf("%x: got %q, want %q", p, got, want)
			}
			again, err2 := decode(parts, p, limit, int(cut)%(len(p)+1))
			if err2 != err || !bytes.Equal(again, got) {
				t.Fatalf("%x cut at %d: got %q, %v, whole %q, %v", p, cut, again, err2, got, err)
			}
			again, err2 = decode(bytewise, p, limit, everyByte(len(p))...)
			if err2 != err || !bytes.Equal(again, got) {
				t.Fatalf("%x byte by byte: got %q, %v, whole %q, %v", p, again, err2, got, err)
			}
			if err != nil {
				return
			}
			if takeover {
				dict = next
			}
		}
	})
}

// FuzzDeflate: several messages come back as they were, the standard library
// reads them as well, and no distance leaves the window.
func FuzzDeflate(f *testing.F) {
	f.Add(jsonText(700, 1), uint8(15), uint8(1), uint8(3), uint8(2), true)
	f.Add(jsonText(9000, 2), uint8(8), uint8(1), uint8(2), uint8(1), true)
	f.Add(bytes.Repeat([]byte("ab"), 400), uint8(9), uint8(4), uint8(2), uint8(3), false)
	f.Add(noise(300, 1), uint8(10), uint8(9), uint8(1), uint8(1), false)
	f.Fuzz(func(t *testing.T, p []byte, bits, level, messages, pieces uint8, takeover bool) {
		o := &deflate.Options{
			Threshold: -1, Level: 1 + int(level%9), ServerMaxWindowBits: 8 + int(bits%8), ServerContextTakeover: takeover,
		}
		s, c := pair(t, o, o)
		var dict []byte
		for i := range 1 + int(messages%4) {
			msg := append(bytes.Clone(p), p[:len(p)/(i+1)]...)
			coded := encode(t, s, msg, 1+int(pieces%4))
			got, err := decode(c, coded, 0, int(bits)%(len(coded)+1))
			if err != nil || !bytes.Equal(got, msg) {
				t.Fatalf("message %d: got %q, %v, want %q", i, got, err, msg)
			}
			want, next, err := judge(coded, dict)
			if err != nil || !bytes.Equal(want, msg) {
				t.Fatalf("message %d: the standard library has %q, %v, want %q", i, want, err, msg)
			}
			w, err := walk(coded, dict)
			if err != nil || w.farthest > 1<<o.ServerMaxWindowBits {
				t.Fatalf("message %d: a distance of %d, %v; the window is 2^%d", i, w.farthest, err, o.ServerMaxWindowBits)
			}
			if takeover {
				dict = next
			}
		}
	})
}

// FuzzNegotiation: whatever is offered, what is accepted can be confirmed, has
// no parameter twice and leads to codecs that understand each other.
func FuzzNegotiation(f *testing.F) {
	f.Add("server_max_window_bits", "10", "client_max_window_bits", "", "server_no_context_takeover", "", uint16(0))
	f.Add("client_max_window_bits", "8", "client_no_context_takeover", "", "x", "", uint16(0xffff))
	f.Add("client_max_window_bits", "08", "client_max_window_bits", "16", "server_max_window_bits", "7", uint16(0x1234))
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2, n3, v3 string, opt uint16) {
		o := &deflate.Options{
			Threshold: -1, ServerContextTakeover: opt&1 != 0, ClientContextTakeover: opt&2 != 0,
			ServerMaxWindowBits: 8 + int(opt>>2&7), ClientMaxWindowBits: 8 + int(opt>>5&7),
		}
		offer := extension.Offer{Name: deflate.Name}
		seen := map[string]bool{}
		doubled := false
		for _, p := range []extension.Param{{Name: n1, Value: v1}, {Name: n2, Value: v2}, {Name: n3, Value: v3}} {
			if p.Name != "" {
				doubled = doubled || seen[p.Name]
				seen[p.Name] = true
				offer.Params = append(offer.Params, p)
			}
		}
		response, s, ok := deflate.New(o).Accept(offer)
		if !ok {
			if s != nil || response.Name != "" {
				t.Fatal("declined with an answer")
			}
			return
		}
		defer s.Close()
		if doubled {
			t.Fatalf("%v has a parameter twice and was accepted", offer)
		}
		// A client that demands nothing accepts any right answer.
		c, err := deflate.New(&deflate.Options{Threshold: -1, ServerContextTakeover: true, ClientContextTakeover: true}).Confirm(response)
		if err != nil {
			t.Fatalf("%v was answered by %v: %v", offer, response, err)
		}
		defer c.Close()
		for range 2 {
			msg := jsonText(3000, 7)
			for _, way := range [][2]extension.Codec{{s, c}, {c, s}} {
				if got, err := decode(way[1], encode(t, way[0], msg, 1), 0); err != nil || !bytes.Equal(got, msg) {
					t.Fatalf("%v: %v", response, err)
				}
			}
		}
	})
}
