package option_test

import (
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/option"
)

func TestError(t *testing.T) {
	for _, c := range []struct {
		err  option.Error
		want string
	}{
		{option.Error{Field: "Level", Value: 10, Want: "1 to 9"}, `websocket: option Level is "10"; want 1 to 9`},
		{option.Error{Field: "Header", Value: "a\r\nb", Want: "no line breaks"}, `websocket: option Header is "a\r\nb"; want no line breaks`},
		{option.Error{Field: "F", Value: strings.Repeat("x", 100), Want: "less"}, `websocket: option F is "` + strings.Repeat("x", 64) + `"; want less`},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
