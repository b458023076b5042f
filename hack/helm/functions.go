package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

// functions are sprig's without those that read the environment, and those that Helm adds.
func functions(root *template.Template) template.FuncMap {
	all := sprig.TxtFuncMap()
	delete(all, "env")
	delete(all, "expandenv")
	added := template.FuncMap{
		"toYaml":   toYaml,
		"fromYaml": fromYaml,
		"toJson":   toJSON,
		"include": func(name string, data interface{}) (string, error) {
			var out bytes.Buffer
			err := root.ExecuteTemplate(&out, name, data)
			return out.String(), err
		},
		"tpl": func(text string, data interface{}) (string, error) {
			clone, err := root.Clone()
			if err != nil {
				return "", err
			}
			parsed, err := clone.New("tpl").Parse(text)
			if err != nil {
				return "", err
			}
			var out bytes.Buffer
			err = parsed.Execute(&out, data)
			return out.String(), err
		},
		"required": func(message string, value interface{}) (interface{}, error) {
			if value == nil || value == "" {
				return nil, errors.New(message)
			}
			return value, nil
		},
		"fail": func(message string) (string, error) { return "", errors.New(message) },
		// Without a cluster there is nothing to look up, as in `helm template`.
		"lookup": func(string, string, string, string) map[string]interface{} { return map[string]interface{}{} },
	}
	for name, function := range added {
		all[name] = function
	}
	return all
}

func toYaml(value interface{}) (string, error) {
	text, err := yaml.Marshal(value)
	return strings.TrimSuffix(string(text), "\n"), err
}

func fromYaml(text string) (map[string]interface{}, error) {
	value := map[string]interface{}{}
	err := yaml.Unmarshal([]byte(text), &value)
	return value, err
}

func toJSON(value interface{}) (string, error) {
	text, err := json.Marshal(value)
	return string(text), err
}

// chartFiles is .Files of templates: everything but the templates themselves and what Helm reads by its own.
type chartFiles []File

func (f chartFiles) readable() (files []File) {
	for _, file := range f {
		switch {
		case strings.HasPrefix(file.Path, "templates/"), file.Path == "Chart.yaml", file.Path == "values.yaml", file.Path == "values.schema.json":
		default:
			files = append(files, file)
		}
	}
	return files
}

// Get is the text of a file; empty when there is none, as in Helm.
func (f chartFiles) Get(name string) string {
	for _, file := range f.readable() {
		if file.Path == name {
			return file.Text
		}
	}
	return ""
}

// Glob are the files that match a pattern.
func (f chartFiles) Glob(pattern string) (chartFiles, error) {
	var found chartFiles
	for _, file := range f.readable() {
		matches, err := path.Match(pattern, file.Path)
		if err != nil {
			return nil, err
		}
		if matches {
			found = append(found, file)
		}
	}
	return found, nil
}

type apiVersions []string

// Has says whether the cluster serves a group version; without a cluster only what every Kubernetes serves and what --api-versions names.
func (a apiVersions) Has(version string) bool {
	for _, served := range a {
		if served == version {
			return true
		}
	}
	return false
}

func capabilities(kube string, served []string) map[string]interface{} {
	var major, minor int
	fmt.Sscanf(kube, "v%d.%d", &major, &minor)
	return map[string]interface{}{
		"KubeVersion": map[string]string{"Version": kube, "Major": fmt.Sprint(major), "Minor": fmt.Sprint(minor), "GitVersion": kube},
		"APIVersions": append(apiVersions{"v1", "apps/v1", "policy/v1", "rbac.authorization.k8s.io/v1"}, served...),
	}
}
