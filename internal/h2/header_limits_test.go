package h2

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// headerRepeat returns n fields after those of nv.
func headerRepeat(nv []string, n int, name, value string) []string {
	nv = nv[:len(nv):len(nv)]
	for range n {
		nv = append(nv, name, value)
	}
	return nv
}

// headerSized returns a request whose decoded size is n.
func headerSized(n int) []string {
	nv := append(headerGet[:len(headerGet):len(headerGet)], "x", "")
	size := 0
	for i := 0; i < len(nv); i += 2 {
		size += len(nv[i]) + len(nv[i+1]) + 32
	}
	nv[len(nv)-1] = strings.Repeat("v", n-size)
	return nv
}

func TestHeaderLimits(t *testing.T) {
	cookies := append(headerRepeat(headerRepeat(headerGet, 95, "x", "y"), 99, "cookie", "a=b"), "cookie", "c=d")
	crumbs := "a=b; c=d"
	for range 98 {
		crumbs = "a=b; " + crumbs
	}
	for _, c := range []struct {
		name   string
		cfg    Config
		nv     []string
		large  bool
		fields int // kept
		code   ErrCode
	}{
		{name: "H2-S4 100 fields", nv: headerRepeat(headerGet, 100, "x", "y"), fields: 100},
		{name: "H2-S4 101 fields", nv: headerRepeat(headerGet, 101, "x", "y"), large: true},
		{name: "H2-S4 1,000 fields in all", nv: headerRepeat(headerGet, 996, "x", "y"), large: true},
		{name: "H2-S4 1,001 fields in all", nv: headerRepeat(headerGet, 997, "x", "y"), code: ErrCodeEnhanceYourCalm},
		{name: "H2-S4 the limit is set", cfg: Config{MaxFields: 2}, nv: headerRepeat(headerGet, 2, "x", "y"), fields: 2},
		{name: "H2-S4 one over the limit that is set", cfg: Config{MaxFields: 2}, nv: headerRepeat(headerGet, 3, "x", "y"), large: true},
		{name: "H2-S4 the limit is set higher", cfg: Config{MaxFields: 800}, nv: headerRepeat(headerGet, 801, "x", "y"), large: true},
		{name: "H2-S4 a higher limit, more bytes", cfg: Config{MaxFields: 800, MaxHeaderBytes: 1 << 20}, nv: headerRepeat(headerGet, 800, "x", "y"), fields: 800},
		{name: "H2-S4 a higher limit raises the hard one", cfg: Config{MaxFields: 800, MaxHeaderBytes: 1 << 20}, nv: headerRepeat(headerGet, 1596, "x", "y"), large: true},
		{name: "H2-S4 over the raised hard one", cfg: Config{MaxFields: 800, MaxHeaderBytes: 1 << 20}, nv: headerRepeat(headerGet, 1597, "x", "y"), code: ErrCodeEnhanceYourCalm},
		{name: "H2-S4 no limit", cfg: Config{MaxFields: -1, MaxHeaderBytes: 1 << 20}, nv: headerRepeat(headerGet, 3000, "x", "y"), fields: 3000},
		{name: "H2-S4 crumbs count as one", nv: cookies, fields: 96},
		{name: "H2-S4 crumbs and others", nv: headerRepeat(cookies, 5, "x", "y"), large: true},
		{name: "H2-S4 10,000 crumbs", nv: headerRepeat(headerGet, 10000, "cookie", "a=b"), code: ErrCodeEnhanceYourCalm},

		{name: "H2-S4 32 KiB", nv: headerSized(32 << 10), fields: 1},
		{name: "H2-S4 32 KiB and 1", nv: headerSized(32<<10 + 1), large: true},
		{name: "H2-S4 the bytes are set", cfg: Config{MaxHeaderBytes: 1000}, nv: headerSized(1000), fields: 1},
		{name: "H2-S4 one over the bytes that are set", cfg: Config{MaxHeaderBytes: 1000}, nv: headerSized(1001), large: true},
		{name: "H2-S4 four times", cfg: Config{MaxHeaderBytes: 400}, nv: headerRepeat(headerSized(400), 36, "x", ""), large: true},
		{name: "H2-S4 more than four times", cfg: Config{MaxHeaderBytes: 400}, nv: headerRepeat(headerSized(401), 37, "x", ""), code: ErrCodeEnhanceYourCalm},
		{name: "H2-S4 one string over the limit", cfg: Config{MaxHeaderBytes: 400}, nv: append(headerGet, "x", strings.Repeat("\xff", 401)), code: ErrCodeEnhanceYourCalm},
		{name: "H2-S4 one name over the limit", cfg: Config{MaxHeaderBytes: 400}, nv: append(headerGet, strings.Repeat("\xff", 401), ""), code: ErrCodeEnhanceYourCalm},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Role = RoleServer
			p := packHeader(c.nv...)
			for _, mode := range []blockMode{modeRequest, modeDiscard} {
				var d decoder
				d.init(RoleServer, &c.cfg)
				r := headerDecodeWith(t, &d, mode, p)
				switch {
				case c.code != 0:
					if r.err == nil || r.err.Code != c.code {
						t.Fatal(r)
					}
				case r.err != nil || r.bad != "":
					t.Fatal(r)
				case mode == modeDiscard:
					if r.head != nil {
						t.Fatal(r)
					}
				case r.head.TooLarge != c.large || len(r.head.Fields) != c.fields:
					t.Fatalf("too large %v, %d fields", r.head.TooLarge, len(r.head.Fields))
				case c.name == "H2-S4 crumbs count as one" && r.head.Fields[95].Value != crumbs:
					t.Fatal(r.head.Fields[95])
				}
			}
		})
	}
}

// A block that is too large, malformed or discarded leaves the table as the
// peer's is.
func TestHeaderStateKept(t *testing.T) {
	var e encoder
	e.init()
	var d decoder
	d.init(RoleServer, headerServer)
	for i, c := range []struct {
		mode blockMode
		h    Head
		bad  bool
	}{
		{mode: modeRequest, h: Head{Fields: headerFields("x-first", "1", "UPPER", "2", "x-after", "3")}, bad: true},
		{mode: modeRequest, h: Head{Fields: headerFields(headerRepeat([]string{"x-large", "1"}, 200, "a", "b")...)}},
		{mode: modeDiscard, h: Head{Fields: headerFields("x-discarded", "1")}},
		{mode: modeTrailers, h: Head{Fields: headerFields("x-trailer", "1")}},
		{mode: modeRequest, h: Head{Fields: headerFields("x-first", "1", "x-after", "3", "x-large", "1", "x-discarded", "1", "x-trailer", "1")}},
	} {
		c.h.Method, c.h.Scheme, c.h.Authority, c.h.Path, c.h.ContentLength = "GET", "https", "example.com", "/", -1
		var p []byte
		if c.mode == modeTrailers {
			p = e.trailers(nil, c.h.Fields)
		} else {
			p = e.request(nil, &c.h)
		}
		r := headerDecodeWith(t, &d, c.mode, p)
		if r.err != nil || (r.bad != "") != c.bad {
			t.Fatal(i, r)
		}
		if i == 1 && !r.head.TooLarge {
			t.Fatal(r)
		}
		if i > 2 && fmt.Sprint(r.head.Fields) != fmt.Sprint(c.h.Fields) {
			t.Fatal(i, r)
		}
		if i == 4 && len(p) != 4+len(c.h.Fields) {
			t.Fatalf("%d bytes: not all comes from the table", len(p))
		}
	}
}

func headerFields(nv ...string) []Field {
	var f []Field
	for i := 0; i < len(nv); i += 2 {
		f = append(f, Field{Name: nv[i], Value: nv[i+1]})
	}
	return f
}

// H2-S7: 10,000 references to one large field of the table.
func TestHeaderBomb(t *testing.T) {
	var d decoder
	d.init(RoleServer, headerServer)
	refs := []byte(strings.Repeat("\xbe", 10000)) // the newest field of the table
	first := append(packHeader(headerOrder(headerEdit(headerGet, "", "bomb", strings.Repeat("b", 4000)))...), refs...)
	if r := headerDecodeWith(t, &d, modeRequest, first); r.err == nil || r.err.Code != ErrCodeEnhanceYourCalm {
		t.Fatal(r)
	}
	// In a block of its own, in fragments, decoded or discarded.
	for _, mode := range []blockMode{modeRequest, modeTrailers, modeDiscard} {
		d.init(RoleServer, headerServer)
		if r := headerDecodeWith(t, &d, modeRequest, packHeader(headerEdit(headerGet, "", "bomb", strings.Repeat("b", 4000))...)); r.bad != "" || r.err != nil {
			t.Fatal(r)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d.begin(mode)
		var err error
		n := 0
		for ; err == nil && n < len(refs); n += 10 {
			err = d.write(refs[n : n+10])
		}
		runtime.ReadMemStats(&after)
		// The limit of bytes comes first: 33 fields of 4 KiB.
		if ce := headerConnError(t, err); ce.Code != ErrCodeEnhanceYourCalm || n > 40 {
			t.Fatal(ce, n)
		}
		if b := after.TotalAlloc - before.TotalAlloc; b > 256<<10 {
			t.Fatalf("%d bytes allocated", b)
		}
	}
	// The same in one fragment is not even decoded.
	d.init(RoleServer, headerServer)
	headerDecodeWith(t, &d, modeRequest, packHeader(headerEdit(headerGet, "", "bomb", strings.Repeat("b", 4000))...))
	d.begin(modeRequest)
	if n := testing.AllocsPerRun(10, func() { d.layout, d.size = layout{table: d.hpack}, 0; _ = d.write(refs) }); n > 1 || d.size != 0 {
		t.Fatalf("%v allocations, %d bytes decoded", n, d.size)
	}
}

// H2-S7: 32 KiB and a byte before it is decoded, whatever it would be: size
// updates are no fields and decode to nothing.
func TestHeaderCoded(t *testing.T) {
	var d decoder
	d.init(RoleServer, headerServer)
	update := []byte(strings.Repeat("\x20", 1024))
	for _, mode := range []blockMode{modeRequest, modeTrailers, modeDiscard} {
		d.begin(mode)
		for range 32 {
			if err := d.write(update); err != nil {
				t.Fatal(err)
			}
		}
		if err := headerConnError(t, d.write(update[:1])); err.Code != ErrCodeEnhanceYourCalm {
			t.Fatal(err)
		}
	}
}

// A field of 32 KiB in fragments of one byte is neither decoded nor copied anew
// with each of them, and what holds it is gone afterwards.
func TestHeaderDribble(t *testing.T) {
	p := packHeader(append(headerGet, "x", strings.Repeat("\xff", 30<<10))...)
	var d decoder
	d.init(RoleServer, headerServer)
	var single [][]byte
	for i := range p {
		single = append(single, p[i:i+1])
	}
	r := headerDecodeWith(t, &d, modeRequest, single...)
	if r.err != nil || r.bad != "" || len(r.head.Fields[0].Value) != 30<<10 {
		t.Fatal(r.err, r.bad)
	}
	if d.tail != nil || d.check.head != nil {
		t.Fatal("the decoder keeps parts of a block that is over")
	}
	cookies := headerRepeat(headerGet, 20, "cookie", strings.Repeat("c", 200))
	if r := headerDecodeWith(t, &d, modeRequest, packHeader(cookies...)); r.err != nil || r.bad != "" || d.cookie != nil {
		t.Fatal(r, cap(d.cookie))
	}
}

// Heads with many fields have space for as many as those before.
func TestHeaderRecent(t *testing.T) {
	var d decoder
	d.init(RoleServer, headerServer)
	for i, n := range []int{40, 40, 3, 3} {
		r := headerDecodeWith(t, &d, modeRequest, packHeader(headerRepeat(headerGet, n, "x", "y")...))
		if r.err != nil || r.bad != "" || len(r.head.Fields) != n {
			t.Fatal(r)
		}
		if i == 1 && cap(r.head.Fields) != 40 || i == 3 && cap(r.head.Fields) != inlineField {
			t.Fatal(i, cap(r.head.Fields))
		}
	}
}
