package extension_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/extension"
)

// maxLooks is the most often that a parser may look at the bytes of a header:
// a few times at each, and a few times at the end of each line.
func maxLooks(values []string) int {
	n := 0
	for _, v := range values {
		n += 8*len(v) + 8
	}
	return n
}

// H-S17: 64 KiB of what is passed over, or what is not, costs no more per byte
// than little of it.
func TestLinearTime(t *testing.T) {
	const size = 64 << 10
	for _, unit := range []string{" ", "\t", ",", ", ", ";", "\\", "\"", "a", "a,", "a;", "a=", "a=\"", "a; ", "=", `a;a="\a\a`} {
		for _, prefix := range []string{"", "a;", `a;b="`, "a,"} {
			values := []string{prefix + strings.Repeat(unit, size/len(unit))}
			if _, looks, _ := extension.ParseOffersLooks(values); looks > maxLooks(values) {
				t.Errorf("H-S17 offers %q %q...: %d looks at %d bytes", prefix, unit, looks, len(values[0]))
			}
			if _, looks, _ := extension.ParseTokensLooks(values, -1); looks > maxLooks(values) {
				t.Errorf("H-S17 tokens %q %q...: %d looks at %d bytes", prefix, unit, looks, len(values[0]))
			}
		}
	}
}

func FuzzExtensions(f *testing.F) {
	for _, s := range []string{
		"", "foo", "bar; baz=2", "foo, bar; baz=2", "deflate-stream\nmux; max-channels=4; flow-control, deflate-stream\nprivate-extension",
		"permessage-deflate", "permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate; client_max_window_bits",
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover", `permessage-deflate; server_max_window_bits="10"`,
		`foo; a="\1\0"`, `foo; a="\"`, "foo; a=1; a=2", ",,,", "\t;", "a=\x00", "constructor, __proto__",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		values := strings.Split(header, "\n")
		offers, looks, err := extension.ParseOffersLooks(values)
		if looks > maxLooks(values) {
			t.Fatalf("%d looks at %d bytes", looks, len(header))
		}
		if err != nil {
			if offers != nil {
				t.Fatalf("offers %v beside the error %v", offers, err)
			}
			return
		}
		if len(offers) == 0 || len(offers) > extension.MaxOffers {
			t.Fatalf("%d offers", len(offers))
		}
		for _, o := range offers {
			if !o.Valid() {
				t.Fatalf("not valid: %+v", o)
			}
		}
		text := extension.FormatOffers(offers)
		again, err := extension.ParseOffers([]string{text})
		if err != nil || !reflect.DeepEqual(again, offers) {
			t.Fatalf("%q: got %v, %v; want %v", text, again, err, offers)
		}
		if s := extension.FormatOffers(again); s != text {
			t.Fatalf("formats as %q and %q", text, s)
		}
	})
}

func FuzzTokenList(f *testing.F) {
	for _, s := range []string{"", "chat", "chat, superchat", "chat\nsuperchat", "a,,b", "keep-alive, Upgrade", " a\t,b ", "a b", "\"a\"", "a/1", "a\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		values := strings.Split(header, "\n")
		tokens, looks, err := extension.ParseTokensLooks(values, -1)
		if looks > maxLooks(values) {
			t.Fatalf("%d looks at %d bytes", looks, len(header))
		}
		if err != nil {
			return
		}
		for _, token := range tokens {
			if !extension.IsToken(token) || !extension.HasToken(values, strings.ToUpper(token)) {
				t.Fatalf("%q in %q", token, values)
			}
		}
		again, err := extension.ParseTokens([]string{strings.Join(tokens, ", ")}, -1)
		if err != nil || !reflect.DeepEqual(again, tokens) {
			t.Fatalf("got %q, %v; want %q", again, err, tokens)
		}
	})
}

func BenchmarkParseOffers(b *testing.B) {
	values := []string{"permessage-deflate; client_max_window_bits"}
	for b.Loop() {
		if _, err := extension.ParseOffers(values); err != nil {
			b.Fatal(err)
		}
	}
}
