package h2_test

import (
	"testing"

	"github.com/lariat-go/websocket/internal/h2"
)

func TestNamesOfFields(t *testing.T) {
	for name, want := range map[string]struct{ specific, trails bool }{
		"x-sum":             {false, true},
		"etag":              {false, true},
		"iffy":              {false, true},
		"connection":        {true, false}, // H2-S1 13
		"upgrade":           {true, false}, // H2-S1 14
		"keep-alive":        {true, false},
		"proxy-connection":  {true, false},
		"transfer-encoding": {true, false},
		"te":                {false, false},
		"content-length":    {false, false},
		"if-match":          {false, false},
		"authorization":     {false, false},
	} {
		if h2.ConnectionSpecific(name) != want.specific || h2.MayTrail(name) != want.trails {
			t.Errorf("%s: want %+v", name, want)
		}
	}
}

// RFC 3986, section 3.2, without userinfo.
func TestValidAuthority(t *testing.T) {
	for s, want := range map[string]bool{
		"example.com": true, "example.com:80": true, "[::1]:80": true, "a_b": true,
		"": false, "u@h": false, "a b": false, "a\r\nb": false, "a/b": false, "\u00e9": false,
	} {
		if got := h2.ValidAuthority(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}
