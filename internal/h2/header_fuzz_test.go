package h2

import (
	"reflect"
	"testing"
)

// FuzzHPACK feeds two blocks to one decoder, whole and byte by byte. Its limits
// hold, both ways agree, and a head that is taken comes out of our encoder and
// through another decoder as it was.
func FuzzHPACK(f *testing.F) {
	seed := func(nv ...string) []byte { return packHeader(headerOrder(nv)...) }
	f.Add(uint8(modeRequest), seed(headerGet...), seed(headerConnect...))
	f.Add(uint8(modeRequest), seed(headerEdit(headerConnect, "", "cookie", "a=b", "cookie", "c=d", "content-length", "5")...), []byte{0xbe, 0xbf})
	f.Add(uint8(modeResponse), seed(":status", "200", "content-length", "5"), []byte{0x88, 0xbe})
	f.Add(uint8(modeTrailers), seed("a", "b"), []byte{0x20, 0x3f, 0xe1, 0x1f, 0xbe})
	f.Add(uint8(modeDiscard), seed("a", "b"), []byte{0x7f, 0x80, 0x80, 0x80})
	f.Add(uint8(modeRequest), seed(headerRepeat(headerGet, 11, "x", "y")...), seed(headerSized(401)...))
	f.Add(uint8(modeRequest), seed(headerEdit(headerGet, "", "cookie", "", "cookie", "")...), []byte{})
	cfg := &Config{Role: RoleServer, ExtendedConnect: true, MaxHeaderBytes: 400, MaxFields: 10}
	f.Fuzz(func(t *testing.T, m uint8, first, second []byte) {
		mode := blockMode(m % 4)
		var whole, single decoder
		whole.init(RoleServer, cfg)
		single.init(RoleServer, cfg)
		for _, p := range [][]byte{first, second} {
			a := headerDecodeWith(t, &whole, mode, p)
			var bytes [][]byte
			for i := range p {
				bytes = append(bytes, p[i:i+1])
			}
			b := headerDecodeWith(t, &single, mode, bytes...)
			if a.err != nil || b.err != nil {
				// Of two reasons for an error, the later may be seen first.
				if (a.err == nil) != (b.err == nil) {
					t.Fatalf("%v\n%v", a, b)
				}
				return
			}
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("%v\n%v", a, b)
			}
			if a.head != nil {
				headerCheck(t, mode, cfg, a.head)
			}
		}
	})
}

func headerCheck(t *testing.T, mode blockMode, cfg *Config, h *Head) {
	t.Helper()
	size := 0
	for _, f := range h.Fields {
		size += int(f.Size())
		if !consists(f.Name, nameByte) || !validValue(f.Value) || ConnectionSpecific(f.Name) {
			t.Fatalf("%q: %q", f.Name, f.Value)
		}
	}
	if h.TooLarge {
		if h.Fields != nil {
			t.Fatal(h.Fields)
		}
		return
	}
	if size > int(cfg.MaxHeaderBytes) || len(h.Fields) > cfg.MaxFields {
		t.Fatal(size, len(h.Fields))
	}
	var e encoder
	e.init()
	var p []byte
	switch mode {
	case modeRequest:
		p = e.request(nil, h)
	case modeResponse:
		p = e.response(nil, h)
	default:
		p = e.trailers(nil, h.Fields)
	}
	var d decoder
	d.init(RoleServer, cfg)
	again := headerDecodeWith(t, &d, mode, p)
	if mode == modeRequest && h.Authority == "" && again.head != nil {
		// An empty :authority, of a scheme that may have one, is left out.
		again.head.Authority = ""
	}
	if again.err != nil || again.bad != "" || !reflect.DeepEqual(again.head, h) {
		t.Fatalf("got  %v\nwant %+v", again, h)
	}
}
