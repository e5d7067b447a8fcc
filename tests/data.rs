//! Data files: what is read, how it binds to types, and what is said when it does not.

#![allow(clippy::unwrap_used)]

use borel::data::{
    Bound, DataType, DataValue, Declared, Entry, Tree, bind, bind_all, cmdset, csv, draws_csv, draws_json, json, read,
};
use borel::posterior::{Chain, Posterior};
use borel::source::{MemoryWorld, intern};
use borel::value::{Value, record_names};
use proptest::prelude::*;
use std::path::Path;

fn array(element: DataType) -> DataType {
    DataType::Array(Box::new(element))
}

fn declared(name: &str, data_type: DataType) -> Declared {
    Declared { name: intern(name), data_type, required: true, place: None }
}

fn from_json(text: &str) -> Vec<Entry> {
    json::read("d.json", text).expect("the test's own text is valid")
}

fn bind_json(text: &str, data_type: DataType) -> Result<Value, String> {
    let value = json::parse("d.json", text).expect("the test's own text is valid");
    bind("y", &value, &data_type).map_err(|error| error.render())
}

#[test]
fn values_bind_to_their_types() {
    let good = [
        ("3", DataType::Int, Value::Int(3)),
        ("3.0", DataType::Int, Value::Int(3)),
        ("3", DataType::Real, Value::Real(3.0)),
        ("true", DataType::Bool, Value::Bool(true)),
        ("1", DataType::Bool, Value::Bool(true)),
        (r#""a\u00e9\ud83d\ude00\n""#, DataType::Str, Value::string("aé😀\n")),
        (r#""-inf""#, DataType::Real, Value::Real(f64::NEG_INFINITY)),
        ("-Infinity", DataType::Real, Value::Real(f64::NEG_INFINITY)),
        ("[1, 2.5]", array(DataType::Real), Value::reals(vec![1.0, 2.5])),
        (r#"[1, "Infinity", 3]"#, array(DataType::Real), Value::reals(vec![1.0, f64::INFINITY, 3.0])),
        ("[1, 2.0]", array(DataType::Int), Value::ints(vec![1, 2])),
        ("[[1, 2], [3.5, 4]]", DataType::Matrix, Value::matrix(2, 2, vec![1.0, 2.0, 3.5, 4.0])),
        ("[]", DataType::Matrix, Value::matrix(0, 0, vec![])),
        (
            "[[1], [2, 3]]",
            array(array(DataType::Int)),
            Value::array_of(vec![Value::ints(vec![1]), Value::ints(vec![2, 3])]),
        ),
        (
            "[1, true]",
            DataType::Tuple(vec![DataType::Real, DataType::Bool]),
            Value::tuple(vec![Value::Real(1.0), Value::Bool(true)]),
        ),
    ];
    for (text, data_type, expected) in good {
        let found = bind_json(text, data_type.clone()).unwrap();
        assert_eq!(found, expected, "{text} as {data_type}");
        assert_eq!(std::mem::discriminant(&found), std::mem::discriminant(&expected), "{text}");
    }
    assert!(matches!(bind_json(r#""NaN""#, DataType::Real), Ok(Value::Real(x)) if x.is_nan()));
    assert!(matches!(bind_json("[]", array(DataType::Int)), Ok(Value::Ints(_))));
    assert!(matches!(bind_json("[]", array(DataType::Real)), Ok(Value::Reals(_))));
    assert!(matches!(bind_json("[]", array(DataType::Bool)), Ok(Value::Bools(_))));
    assert!(matches!(bind_json("[]", array(DataType::Str)), Ok(Value::Values(_))));
    assert!(matches!(bind_json("-0", DataType::Real), Ok(Value::Real(x)) if x.is_sign_negative()));
    let point = DataType::Record(vec![(intern("x"), DataType::Real), (intern("n"), DataType::Int)]);
    let expected = Value::record(record_names(&[intern("x"), intern("n")]), vec![Value::Real(1.0), Value::Int(2)]);
    assert_eq!(bind_json(r#"{"n": 2, "x": 1, "more": null}"#, point), Ok(expected));
}

#[test]
fn what_does_not_fit_is_shown() {
    let bad = [
        (
            "[1, 2,\n 3, 4,\n 3.5]",
            array(DataType::Int),
            "error: expected Int, found 3.5 at y[4]\n  --> d.json:3\n  = help: declare it as Real, or round it in the data\n",
        ),
        ("[1,\n\"a\"]", array(DataType::Real), "error: expected Real, found \"a\" at y[1]\n  --> d.json:2:1\n"),
        (
            "[1, null]",
            array(DataType::Real),
            "error: expected Real, found null at y[1]\n  --> d.json:1:5\n  = help: leave the missing rows out, or model them: give the index of what was observed as a further array\n",
        ),
        (
            "[[1, 2],\n [3]]",
            DataType::Matrix,
            "error: expected 2 numbers in row 1 of y as in row 0, found 1\n  --> d.json:2:2\n",
        ),
        ("[[1, 2], [3, true]]", DataType::Matrix, "error: expected Real, found true at y[1,1]\n  --> d.json:1:14\n"),
        ("3", array(DataType::Real), "error: expected [Real], found 3 at y\n  --> d.json:1:1\n  = help: write [3]\n"),
        (
            "[3]",
            DataType::Real,
            "error: expected Real, found an array of 1 number at y\n  --> d.json:1:1\n  = help: declare it as [Real]\n",
        ),
        (
            "\"3\"",
            DataType::Int,
            "error: expected Int, found \"3\" at y\n  --> d.json:1:1\n  = help: write it without quotes: 3\n",
        ),
        (
            "1e300",
            DataType::Int,
            "error: expected Int, found 1e300 at y\n  --> d.json:1:1\n  = help: declare it as Real, or round it in the data\n",
        ),
        (
            "9223372036854775808",
            DataType::Int,
            "error: expected Int, found 9.223372036854776e18 at y\n  --> d.json:1:1\n  = help: declare it as Real, or round it in the data\n",
        ),
        (
            "[1]",
            DataType::Tuple(vec![DataType::Int, DataType::Int]),
            "error: expected (Int, Int), found an array of 1 number at y\n  --> d.json:1:1\n",
        ),
        (
            "{\"sigm\": 1}",
            DataType::Record(vec![(intern("sigma"), DataType::Real)]),
            "error: expected a value for `y.sigma: Real`, found none\n  --> d.json:1:1\n  = help: did you mean `sigm`?\n  = help: the data have `sigm`\n",
        ),
    ];
    for (text, data_type, expected) in bad {
        assert_eq!(bind_json(text, data_type).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn broken_json_is_placed() {
    let bad = [
        ("", "d.json:1:1", "expected a value, found nothing: the file is empty"),
        ("[1, 2]", "d.json:1:1", "expected an object that names the data, found an array of 2 numbers"),
        ("{\"y\": [1, 2", "d.json:1:12", "the file ends in the middle of y[1]"),
        ("{\"y\": [1,\n 2],\n\"z\": {\"a\": 1.", "d.json:3:14", "the file ends in the middle of z.a"),
        ("{\"y\": \"abc", "d.json:1:11", "the file ends in the middle of y"),
        ("{\"y\": tru", "d.json:1:10", "the file ends in the middle of y"),
        ("{\"y\"", "d.json:1:5", "the file ends in the middle of y"),
        ("{\"y\": 1", "d.json:1:8", "the file ends in the middle of y"),
        ("{\n  \"y\": [1 2]}", "d.json:2:11", "expected `,` or `]`, found `2`"),
        ("{\"y\": hello}", "d.json:1:7", "expected a value, found `hello`"),
        ("{y: 1}", "d.json:1:2", "expected a key in quotes, found `y`"),
        ("{\"y\": 1,}", "d.json:1:9", "expected a key in quotes, found `}`"),
        ("{\"y\": 01}", "d.json:1:7", "expected a number without leading zeros"),
        ("{\"y\": 1} 2", "d.json:1:10", "expected the end of the file, found `2`"),
        ("{\"y\": 1,\n\"y\": 2}", "d.json:2:1", "the key `y` is given twice, first on line 1"),
        ("{\"y\": \"\\ud800\\u0041\"}", "d.json:1:20", "expected a character, found half of a surrogate pair"),
    ];
    for (text, place, message) in bad {
        let error = json::read("d.json", text).unwrap_err();
        assert_eq!(error.message, message, "{text}");
        assert_eq!(error.place.unwrap().to_string(), place, "{text}");
    }
    let deep = "[".repeat(100_000);
    assert!(json::parse("d.json", &deep).unwrap_err().message.contains("nested"));
}

#[test]
fn names_are_matched() {
    let wanted = [declared("y", array(DataType::Real)), declared("sigma", DataType::Real)];
    let errors = bind_all(&wanted, &from_json(r#"{"Y": [1], "sgima": 2, "n": 1}"#)).unwrap_err();
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0].message, "expected a value for data `y: [Real]`, found none");
    assert_eq!(errors[0].hints, ["did you mean `Y`?", "the data have `Y`, `sgima`, `n`"]);
    assert_eq!(errors[1].hints[0], "did you mean `sgima`?");
    assert!(bind_all(&wanted, &[]).unwrap_err()[0].hints[0].contains("--set y=VALUE"));

    let mut data = from_json(r#"{"y": [1], "sigma": 2, "sigmas": 3}"#);
    data.push(cmdset::read("sigma=0.5").unwrap());
    let Bound { values, notes } = bind_all(&wanted, &data).unwrap();
    assert_eq!(values[1], (intern("sigma"), Value::Real(0.5)));
    assert_eq!(notes, ["d.json: `sigmas` is not declared by the program and was ignored; did you mean `sigma`?"]);
    let data = from_json(r#"{"y": [1], "sigma": 2, "sigmas": 3, "rows": 4}"#);
    assert_eq!(
        bind_all(&wanted, &data).unwrap().notes,
        ["d.json: `sigmas` (did you mean `sigma`?), `rows` are not declared by the program and were ignored"]
    );

    let optional = [Declared { required: false, ..declared("k", DataType::Int) }];
    assert!(bind_all(&optional, &[]).unwrap().values.is_empty());
}

#[test]
fn columns_take_the_declared_type() {
    let text = "id,x,ok,when\n001,1,true,\"a, b\"\n002,2.5,false,\"two\nlines\"\n003,-1e3,1,c\n";
    let entries = csv::read("d.csv", text, b',').unwrap();
    let get = |name: &str, element: DataType| {
        let (_, value) = entries.iter().find(|(key, _)| key == name).unwrap();
        bind(name, value, &array(element)).map_err(|error| error.render())
    };
    assert_eq!(get("x", DataType::Real), Ok(Value::reals(vec![1.0, 2.5, -1000.0])));
    assert_eq!(get("id", DataType::Int), Ok(Value::ints(vec![1, 2, 3])));
    assert_eq!(get("id", DataType::Str).unwrap().element(0), Some(Value::string("001")));
    assert_eq!(get("ok", DataType::Bool).unwrap().element(2), Some(Value::Bool(true)));
    assert_eq!(get("when", DataType::Str).unwrap().element(1), Some(Value::string("two\nlines")));
    assert_eq!(
        get("when", DataType::Real).unwrap_err(),
        "error: expected Real, found `a, b` at when[0]\n  --> d.csv:2\n"
    );
    assert!(get("x", DataType::Int).unwrap_err().contains("found `2.5` at x[1]\n  --> d.csv:3"));
    let types: Vec<String> = entries.iter().map(|(_, v)| v.tree.natural_type().unwrap().to_string()).collect();
    assert_eq!(types, ["[Int]", "[Real]", "[Bool]", "[String]"]);
}

#[test]
fn broken_tables_are_placed() {
    let bad = [
        ("a,b\n1,2\n3\n", "d.csv:3", "expected 2 cells as in the header, found 1"),
        ("a,b\r\n1,2\r\n1\r\n", "d.csv:3", "expected 2 cells as in the header, found 1"),
        ("a,b\n\n\n1,2,3\n", "d.csv:4", "expected 2 cells as in the header, found 3"),
        ("", "d.csv:1", "expected a header with the names of the columns, found nothing"),
        ("a,a\n1,2\n", "d.csv:1", "the column `a` is given twice"),
        ("a,b\n1,\"2\n3,4\n", "d.csv:2", "expected a closing quote, found the end of the file"),
    ];
    for (text, place, message) in bad {
        let error = csv::read("d.csv", text, b',').unwrap_err();
        assert_eq!((error.message.as_str(), error.place.unwrap().to_string().as_str()), (message, place), "{text}");
    }
    let missing = csv::read("d.csv", "x\n1\nNA\n", b',').unwrap();
    let error = bind("x", &missing[0].1, &array(DataType::Real)).unwrap_err();
    assert_eq!(error.message, "expected Real, found a missing value at x[1]");
    assert!(error.hints[0].contains("missing rows"));
}

#[test]
fn the_command_line_sets_values() {
    let get = |text: &str| cmdset::read(text).unwrap().1.tree;
    assert_eq!(get("n=10"), Tree::Int(10));
    assert_eq!(get("s = -0.5"), Tree::Real(-0.5));
    assert_eq!(get("s=inf"), Tree::Real(f64::INFINITY));
    assert_eq!(get("word=a,b c"), Tree::Str("a,b c".into()));
    assert_eq!(get("q=\"3\""), Tree::Str("3".into()));
    let bind_set = |text: &str, data_type| bind("y", &cmdset::read(text).unwrap().1, &data_type).unwrap();
    assert_eq!(bind_set("y=[1, -inf,2.5]", array(DataType::Real)), Value::reals(vec![1.0, f64::NEG_INFINITY, 2.5]));
    assert_eq!(bind_set("y=[a, b]", array(DataType::Str)).element(1), Some(Value::string("b")));
    assert_eq!(bind_set("y=[[1,2],[3,4]]", DataType::Matrix), Value::matrix(2, 2, vec![1.0, 2.0, 3.0, 4.0]));
    let record = DataType::Record(vec![(intern("x"), DataType::Int)]);
    assert_eq!(bind_set("y={x: 1}", record), Value::record(record_names(&[intern("x")]), vec![Value::Int(1)]));
    for bad in ["n", "=3", "n=", "2n=1", "y=[1, 2", "y=[1]]"] {
        assert!(cmdset::read(bad).is_err(), "{bad}");
    }
}

#[test]
fn files_are_read_by_their_extension() {
    let world = MemoryWorld::default()
        .with_file("a.json", "\u{feff}{\"n\": 1}")
        .with_file("a.CSV", "n\n1\n")
        .with_file("a.tsv", "n\tm\n1\t2\n")
        .with_file("b.json", b"{\"n\": \"\xff\"}".to_vec())
        .with_file("a.parquet", "PAR1 is not enough")
        .with_file("a.xlsx", "");
    let get = |name: &str| read(&world, Path::new(name));
    assert_eq!(get("a.json").unwrap()[0].1.tree, Tree::Int(1));
    assert_eq!(get("a.CSV").unwrap().len(), 1);
    assert_eq!(get("a.tsv").unwrap().len(), 2);
    assert_eq!(get("b.json").unwrap_err().message, "b.json is not UTF-8 text: byte 7 on line 1");
    assert_eq!(get("none.json").unwrap_err().message, "cannot read none.json: no such file");
    assert!(get("a.xlsx").unwrap_err().message.contains(".parquet"));
    #[cfg(feature = "parquet")]
    assert!(get("a.parquet").unwrap_err().message.starts_with("expected a Parquet file"));
}

#[test]
#[cfg(feature = "parquet")]
fn parquet_columns_are_arrays() {
    // Written by tests/reference/table.py.
    let bytes = include_bytes!("reference/table.parquet");
    let entries = borel::data::parquet::read("t.parquet", bytes.to_vec()).unwrap();
    let get = |name: &str, data_type: DataType| {
        let (_, value) = entries.iter().find(|(key, _)| key == name).unwrap();
        bind(name, value, &data_type).map_err(|error| error.message)
    };
    assert_eq!(get("x", array(DataType::Real)), Ok(Value::reals(vec![0.5, 1.5, 2.5])));
    assert_eq!(get("n", array(DataType::Int)), Ok(Value::ints(vec![1, 2, 3])));
    assert_eq!(get("small", array(DataType::Int)), Ok(Value::ints(vec![7, 8, 9])));
    assert_eq!(get("ok", array(DataType::Bool)).unwrap().element(1), Some(Value::Bool(false)));
    assert_eq!(get("word", array(DataType::Str)).unwrap().element(2), Some(Value::string("ö")));
    assert_eq!(get("rows", DataType::Matrix), Ok(Value::matrix(3, 2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])));
    assert_eq!(get("gaps", array(DataType::Real)), Err("expected Real, found null at gaps[1]".into()));
    for end in 0..bytes.len() {
        assert!(borel::data::parquet::read("t.parquet", bytes[..end].to_vec()).is_err());
    }
    // Damage anywhere is an error or other values, never a panic.
    for i in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[i] ^= 0x55;
        let _ = borel::data::parquet::read("t.parquet", damaged);
    }
}

#[test]
fn a_million_numbers_stay_flat() {
    let numbers: Vec<String> = (0..1_000_000).map(|i| format!("{}", f64::from(i) / 7.0)).collect();
    let text = format!("{{\"y\": [{}]}}", numbers.join(", "));
    let entries = from_json(&text);
    let Tree::Reals(xs) = &entries[0].1.tree else { panic!("boxed") };
    assert_eq!(xs.items.len(), 1_000_000);
    assert!(xs.items.iter().enumerate().all(|(i, x)| *x == i as f64 / 7.0));
    assert!(xs.lines.is_none());
    let Value::Reals(bound) = bind("y", &entries[0].1, &array(DataType::Real)).unwrap() else { panic!("boxed") };
    assert_eq!(bound.len(), 1_000_000);
}

fn small_posterior() -> Posterior {
    let names = record_names(&["mu", "A", "z", "ok"].map(intern));
    let draw = |x: f64| {
        let word = if x > 1.5 { "b" } else { "a" };
        Value::record(
            names,
            vec![Value::Real(x), Value::matrix(2, 2, vec![1.0, 2.0, 3.0, x]), Value::string(word), Value::Bool(true)],
        )
    };
    let chain = |xs: &[f64]| Chain {
        draws: xs.iter().map(|x| draw(*x)).collect(),
        stats: vec![("lp__".into(), vec![-1.0; xs.len()]), ("divergent__".into(), vec![0.0; xs.len()])],
        ..Chain::default()
    };
    Posterior::new("m", "nuts", vec![chain(&[1.0, 2.5]), chain(&[f64::INFINITY, f64::NAN])])
}

#[test]
fn draws_are_written_as_cmdstan_does() {
    let text = draws_csv::write(&small_posterior(), 0, false);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        lines,
        ["lp__,divergent__,mu,A.1.1,A.2.1,A.1.2,A.2.2,z,ok", "-1,0,1,1,3,2,1,1,1", "-1,0,2.5,1,3,2,2.5,2,1"]
    );
    assert!(text.contains("# num_samples = 2\n") && text.contains("# in z: 1 is \"a\", 2 is \"b\"\n"));
    let weighted =
        Posterior::exact("m", "enumerate", [(Value::reals(vec![1.0]), 0.0), (Value::reals(vec![1.0, 2.0]), -1.0)]);
    let text = draws_csv::write(&weighted, 0, false);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, ["lp__,log_weight__,value.1,value.2", "nan,0,1,nan", "nan,-1,1,2"]);
}

#[test]
fn draws_are_written_as_json() {
    let object = draws_json::write(&small_posterior(), false);
    assert_eq!(object["chains"][0]["draws"]["mu"], serde_json::json!([1.0, 2.5]));
    assert_eq!(object["chains"][0]["draws"]["A[1,0]"], serde_json::json!([3.0, 3.0]));
    assert_eq!(object["chains"][0]["draws"]["z"], serde_json::json!(["a", "b"]));
    assert_eq!(object["chains"][1]["draws"]["mu"], serde_json::json!(["inf", "nan"]));
    assert_eq!(object["chains"][0]["stats"]["lp__"], serde_json::json!([-1.0, -1.0]));
}

#[test]
fn written_draws_are_read_back() {
    let posterior = small_posterior();
    let summaries = |p: &Posterior| format!("{:?}", p.report(false).summaries);
    let read = draws_json::read("d.json", &draws_json::write(&posterior, false).to_string()).unwrap();
    assert_eq!(summaries(&read), summaries(&posterior));
    assert_eq!((read.method.as_str(), read.chains[0].stat("lp__")), ("nuts", Some(&[-1.0, -1.0][..])));

    let texts: Vec<(String, String)> =
        (0..2).map(|i| (format!("d_{i}.csv"), draws_csv::write(&posterior, i, false))).collect();
    let read = draws_csv::read(&texts).unwrap();
    let names: Vec<String> = read.report(false).summaries.into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["mu", "A[0,0]", "A[1,0]", "A[0,1]", "A[1,1]", "z", "ok"]);
    assert_eq!((read.model.as_str(), read.chains.len(), read.len()), ("m", 2, 4));
    assert_eq!(read.chains[1].stat("divergent__"), Some(&[0.0, 0.0][..]));

    let exact =
        Posterior::exact("m", "enumerate", [(Value::reals(vec![1.0]), 0.0), (Value::reals(vec![3.0, 2.0]), 3f64.ln())]);
    let read = draws_json::read("d.json", &draws_json::write(&exact, false).to_string()).unwrap();
    assert_eq!(summaries(&read), summaries(&exact));
    let read = draws_csv::read(&[("d.csv".into(), draws_csv::write(&exact, 0, false))]).unwrap();
    assert_eq!(read.report(false).summaries[0].mean, 2.5);

    let bad = [
        r#"{"chains": 3}"#,
        "{}",
        r#"{"chains": [{"draws": {"a": [1, 2], "b": [1]}}]}"#,
        r#"{"chains": [{"draws": {"a": [[1]]}}]}"#,
    ];
    for text in bad {
        assert!(draws_json::read("d.json", text).is_err(), "{text}");
    }
    let error = draws_csv::read(&[("d.csv".into(), "# x\nlp__,a\n1,2\n1,b\n".into())]).unwrap_err();
    assert_eq!(error.message, "expected Real, found `b` at a[1]");
    assert_eq!(error.place.unwrap().to_string(), "d.csv:4");
}

/// The same value as serde_json has it, to compare two readers.
fn as_serde(value: &DataValue) -> serde_json::Value {
    use serde_json::Value as Json;
    match &value.tree {
        Tree::Null => Json::Null,
        Tree::Bool(b) => (*b).into(),
        Tree::Int(n) => (*n as f64).into(),
        Tree::Real(x) => (*x).into(),
        Tree::Str(text) => text.as_str().into(),
        Tree::Ints(xs) => xs.items.iter().map(|n| *n as f64).collect(),
        Tree::Reals(xs) => xs.items.iter().copied().collect(),
        Tree::Array(items) => items.iter().map(as_serde).collect(),
        Tree::Object(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.clone(), as_serde(value))).collect())
        }
        Tree::Cells(_) => unreachable!("JSON has no columns"),
    }
}

fn with_real_numbers(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::Number(n) => n.as_f64().into(),
        Json::Array(items) => items.into_iter().map(with_real_numbers).collect(),
        Json::Object(entries) => {
            Json::Object(entries.into_iter().map(|(key, value)| (key, with_real_numbers(value))).collect())
        }
        other => other,
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn both_readers_of_json_agree(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        prop_assert_eq!(as_serde(&json::parse("d", &text).unwrap()), with_real_numbers(value));
    }

    #[test]
    fn both_readers_refuse_the_same_numbers(text in "-?[0-9.eE+-]{1,8}") {
        let own = json::parse("d", &text).ok().map(|value| as_serde(&value));
        let other = serde_json::from_str(&text).ok().map(with_real_numbers);
        // Ours takes 1e999 as infinity, as the rule of rounding to the nearest says.
        if own != Some(serde_json::Value::Null) {
            prop_assert_eq!(own, other);
        }
    }

    #[test]
    fn truncated_json_is_an_error(value in any_json(), cut in any::<prop::sample::Index>()) {
        let text = serde_json::json!({"data": value}).to_string();
        let mut end = cut.index(text.len());
        while !text.is_char_boundary(end) { end -= 1; }
        prop_assert!(json::read("d", &text[..end]).is_err());
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in any::<String>(), almost in "[\\[\\]{}\",:0-9a-z.eE+\\-\\\\ \n\r=é]{0,40}") {
        for text in [&text, &almost] {
            let _ = json::read("d", text);
            let _ = csv::read("d", text, b',');
            let _ = draws_csv::read(&[("d".into(), text.clone())]);
            let _ = draws_json::read("d", text);
            let _ = cmdset::read(text);
            let _ = cmdset::read(&format!("a={text}"));
            for data_type in [DataType::Matrix, array(DataType::Int), DataType::Str] {
                if let Ok((name, value)) = cmdset::read(&format!("a={text}")) {
                    let _ = bind(&name, &value, &data_type);
                }
                for (name, value) in csv::read("d", text, b',').unwrap_or_default() {
                    let _ = (bind(&name, &value, &data_type), value.tree.natural_type());
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let world = MemoryWorld::default()
            .with_file("a.json", bytes.clone())
            .with_file("a.csv", bytes.clone())
            .with_file("a.parquet", [b"PAR1", bytes.as_slice(), b"PAR1"].concat());
        for name in ["a.json", "a.csv", "a.parquet"] {
            let _ = read(&world, Path::new(name));
        }
    }
}
