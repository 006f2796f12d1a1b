package h2

import (
	"net/http"
	"slices"
	"strings"

	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/h2"
)

// announce adds the names of a request's Trailer field. Those that can't be
// trailers are left out.
func announce(trailer http.Header, list string) http.Header {
	for name := range strings.SplitSeq(list, ",") {
		name = http.CanonicalHeaderKey(strings.Trim(name, " \t"))
		if !h1.ValidName(name) || framing(name) {
			continue
		}
		if trailer == nil {
			trailer = make(http.Header)
		}
		trailer[name] = nil
	}
	return trailer
}

// fillTrailer gives the announced trailers their values; others are dropped, as
// net/http drops them.
func fillTrailer(trailer http.Header, fields []h2.Field, n *names) {
	if trailer == nil {
		return
	}
	for i := range fields {
		name := n.canonical(fields[i].Name)
		if _, ok := trailer[name]; ok {
			trailer[name] = append(trailer[name], fields[i].Value)
		}
	}
}

// declareTrailers notes the names of an answer's Trailer field.
func (w *response) declareTrailers(values []string) {
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.Trim(name, " \t"); name != "" {
				w.declareTrailer(http.CanonicalHeaderKey(name))
			}
		}
	}
}

func (w *response) declareTrailer(name string) {
	if !h1.ValidName(name) || !h2.MayTrail(strings.ToLower(name)) {
		w.logf("websocket: %q can't be a trailer (RFC 9110, section 6.5.1) and is left out", name)
		return
	}
	if !slices.Contains(w.trailers, name) {
		w.trailers = append(w.trailers, name)
	}
}

// trailerFields returns the trailers of an answer: those that were declared and
// set, and those set with [http.TrailerPrefix].
func (w *response) trailerFields() (fields []h2.Field) {
	for key, values := range w.header {
		if name, ok := strings.CutPrefix(key, http.TrailerPrefix); ok {
			name = http.CanonicalHeaderKey(name)
			w.declareTrailer(name)
			w.header[name] = values
		}
	}
	for _, name := range w.trailers {
		fields = w.x.c.appendField(fields, name, w.header[name])
	}
	return fields
}

// framing reports whether a field says how a message is framed.
func framing(name string) bool {
	return name == "Transfer-Encoding" || name == "Trailer" || name == "Content-Length"
}
