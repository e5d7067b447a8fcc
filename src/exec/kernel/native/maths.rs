//! The functions of `vector.rs` as code for two numbers at a time, operation for operation, so that the bits are the same.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{ConstantData, Endianness, InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::FunctionBuilder;

const ROUND: f64 = 6_755_399_441_055_744.0;
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// Writes operations on pairs of numbers.
pub struct Pairs<'a, 'b> {
    pub builder: &'a mut FunctionBuilder<'b>,
}

impl Pairs<'_, '_> {
    /// The same 64 bits twice.
    fn constant(&mut self, ty: Type, bits: u64) -> Value {
        let mut bytes = bits.to_le_bytes().to_vec();
        bytes.extend_from_within(..);
        let constant = self.builder.func.dfg.constants.insert(ConstantData::from(&bytes[..]));
        self.builder.ins().vconst(ty, constant)
    }

    fn number(&mut self, x: f64) -> Value {
        self.constant(types::F64X2, x.to_bits())
    }

    fn integer(&mut self, x: u64) -> Value {
        self.constant(types::I64X2, x)
    }

    /// The same bits as another type.
    pub fn cast(&mut self, ty: Type, x: Value) -> Value {
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        self.builder.ins().bitcast(ty, flags, x)
    }

    /// A number as a pair, the other half of which does not matter.
    pub fn pair(&mut self, x: Value) -> Value {
        self.builder.ins().scalar_to_vector(types::F64X2, x)
    }

    pub fn first(&mut self, x: Value) -> Value {
        self.builder.ins().extractlane(x, 0)
    }

    pub fn compare(&mut self, how: FloatCC, a: Value, b: Value) -> Value {
        self.builder.ins().fcmp(how, a, b)
    }

    /// `if mask { a } else { b }`
    pub fn pick(&mut self, mask: Value, a: Value, b: Value) -> Value {
        let mask = self.cast(types::F64X2, mask);
        self.builder.ins().bitselect(mask, a, b)
    }

    /// 1 where the mask is set, else 0.
    pub fn truth(&mut self, mask: Value) -> Value {
        let one = self.integer(1.0f64.to_bits());
        let bits = self.builder.ins().band(mask, one);
        self.cast(types::F64X2, bits)
    }

    /// `x` where the mask is set, else 0.
    pub fn keep(&mut self, mask: Value, x: Value) -> Value {
        let bits = self.cast(types::I64X2, x);
        let bits = self.builder.ins().band(mask, bits);
        self.cast(types::F64X2, bits)
    }

    fn add(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fadd(a, b)
    }

    fn sub(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fsub(a, b)
    }

    fn mul(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fmul(a, b)
    }

    /// `p * r + c`, rounded twice.
    fn step(&mut self, p: Value, r: Value, c: f64) -> Value {
        let product = self.mul(p, r);
        let c = self.number(c);
        self.add(product, c)
    }

    /// `if x > most { most } else { x }`
    fn at_most(&mut self, x: Value, most: f64) -> Value {
        let most = self.number(most);
        let mask = self.compare(FloatCC::LessThan, most, x);
        self.pick(mask, most, x)
    }

    /// `if x < least { least } else { x }`
    fn at_least(&mut self, x: Value, least: f64) -> Value {
        let least = self.number(least);
        let mask = self.compare(FloatCC::LessThan, x, least);
        self.pick(mask, least, x)
    }

    fn nearest(&mut self, x: Value) -> Value {
        let round = self.number(ROUND);
        let up = self.add(x, round);
        self.sub(up, round)
    }

    fn power_of_two(&mut self, k: Value) -> Value {
        let round = self.number(ROUND + 1023.0);
        let sum = self.add(k, round);
        let bits = self.cast(types::I64X2, sum);
        let bits = self.builder.ins().ishl_imm_u(bits, 52);
        self.cast(types::F64X2, bits)
    }

    fn expm1_small(&mut self, r: Value) -> Value {
        let square = self.mul(r, r);
        let mut even = self.number(1.0 / 479_001_600.0);
        for c in [1.0 / 3_628_800.0, 1.0 / 40_320.0, 1.0 / 720.0, 1.0 / 24.0, 0.5] {
            even = self.step(even, square, c);
        }
        let mut odd = self.number(1.0 / 6_227_020_800.0);
        for c in [1.0 / 39_916_800.0, 1.0 / 362_880.0, 1.0 / 5_040.0, 1.0 / 120.0, 1.0 / 6.0] {
            odd = self.step(odd, square, c);
        }
        let odd = self.mul(odd, r);
        let p = self.add(odd, even);
        let product = self.mul(p, square);
        self.add(product, r)
    }

    fn reduced(&mut self, x: Value) -> (Value, Value) {
        let scale = self.number(std::f64::consts::LOG2_E);
        let scaled = self.mul(x, scale);
        let k = self.nearest(scaled);
        let (high, low) = (self.number(LN2_HIGH), self.number(LN2_LOW));
        let (high, low) = (self.mul(k, high), self.mul(k, low));
        let r = self.sub(x, high);
        let r = self.sub(r, low);
        (k, r)
    }

    pub fn exp(&mut self, x: Value) -> Value {
        let x = self.at_most(x, 710.0);
        let x = self.at_least(x, -746.0);
        let (k, r) = self.reduced(x);
        let half = self.number(0.5);
        let half = self.mul(half, k);
        let half = self.nearest(half);
        let one = self.number(1.0);
        let small = self.expm1_small(r);
        let whole = self.add(one, small);
        let first = self.power_of_two(half);
        let rest = self.sub(k, half);
        let second = self.power_of_two(rest);
        let product = self.mul(whole, first);
        self.mul(product, second)
    }

    pub fn expm1(&mut self, x: Value) -> Value {
        let y = self.at_most(x, 710.0);
        let y = self.at_least(y, -40.0);
        let (k, r) = self.reduced(y);
        let p = self.expm1_small(r);
        let one = self.number(1.0);
        let less = self.sub(k, one);
        let half = self.power_of_two(less);
        let product = self.mul(half, p);
        let point = self.number(0.5);
        let rest = self.sub(half, point);
        let sum = self.add(product, rest);
        let two = self.number(2.0);
        let whole = self.mul(two, sum);
        let small = self.is_small(x);
        self.pick(small, x, whole)
    }

    fn is_small(&mut self, x: Value) -> Value {
        let size = self.builder.ins().fabs(x);
        let limit = self.number(1e-300);
        self.compare(FloatCC::LessThan, size, limit)
    }

    pub fn tanh(&mut self, x: Value) -> Value {
        let a = self.builder.ins().fabs(x);
        let minus = self.number(-2.0);
        let twice = self.mul(minus, a);
        let t = self.expm1(twice);
        let top = self.builder.ins().fneg(t);
        let two = self.number(2.0);
        let bottom = self.add(t, two);
        let y = self.builder.ins().fdiv(top, bottom);
        // The sign of `x` on the size of `y`.
        let size = self.builder.ins().fabs(y);
        let sign = self.integer(1 << 63);
        let bits = self.cast(types::I64X2, x);
        let sign = self.builder.ins().band(bits, sign);
        let bits = self.cast(types::I64X2, size);
        let bits = self.builder.ins().bor(bits, sign);
        self.cast(types::F64X2, bits)
    }

    pub fn log(&mut self, x: Value) -> Value {
        let least = self.number(f64::MIN_POSITIVE);
        let tiny = self.compare(FloatCC::LessThan, x, least);
        let factor = self.number(18_014_398_509_481_984.0);
        let larger = self.mul(x, factor);
        let scaled = self.pick(tiny, larger, x);
        let bits = self.cast(types::I64X2, scaled);
        let root = self.integer(0x3fe6_a09e_667f_3bcd);
        let shifted = self.builder.ins().isub(bits, root);
        let bias = self.integer(0x3ff0_0000_0000_0000);
        let biased = self.builder.ins().iadd(shifted, bias);
        let exponent = self.builder.ins().ushr_imm_u(biased, 52);
        let magic = self.integer(0x4330_0000_0000_0000);
        let e = self.builder.ins().bor(magic, exponent);
        let e = self.cast(types::F64X2, e);
        let offset = self.number(4_503_599_627_370_496.0 + 1023.0);
        let e = self.sub(e, offset);
        let top = self.integer(0xfff0_0000_0000_0000);
        let power = self.builder.ins().band(shifted, top);
        let m = self.builder.ins().isub(bits, power);
        let m = self.cast(types::F64X2, m);
        let shift = self.number(54.0);
        let less = self.sub(e, shift);
        let e = self.pick(tiny, less, e);
        let one = self.number(1.0);
        let f = self.sub(m, one);
        let half = self.number(0.5);
        let half = self.mul(half, f);
        let half = self.mul(half, f);
        let two = self.number(2.0);
        let bottom = self.add(two, f);
        let s = self.builder.ins().fdiv(f, bottom);
        let z = self.mul(s, s);
        let w = self.mul(z, z);
        let even = self.number(0.153_138_376_992_093_73);
        let even = self.step(even, w, 0.222_221_984_321_497_84);
        let even = self.step(even, w, 0.399_999_999_994_094_1);
        let even = self.mul(w, even);
        let odd = self.number(0.147_981_986_051_165_86);
        let odd = self.step(odd, w, 0.181_835_721_616_180_5);
        let odd = self.step(odd, w, 0.285_714_287_436_623_9);
        let odd = self.step(odd, w, 0.666_666_666_666_673_5);
        let odd = self.mul(z, odd);
        let r = self.add(even, odd);
        let low = self.number(LN2_LOW);
        let low = self.mul(e, low);
        let inner = self.add(half, r);
        let inner = self.mul(s, inner);
        let inner = self.add(inner, low);
        let inner = self.sub(half, inner);
        let inner = self.sub(inner, f);
        let high = self.number(LN2_HIGH);
        let high = self.mul(e, high);
        let y = self.sub(high, inner);
        let infinity = self.number(f64::INFINITY);
        let is_infinite = self.compare(FloatCC::Equal, x, infinity);
        let y = self.pick(is_infinite, x, y);
        let zero = self.number(0.0);
        let is_zero = self.compare(FloatCC::Equal, x, zero);
        let lowest = self.number(f64::NEG_INFINITY);
        let y = self.pick(is_zero, lowest, y);
        let outside = self.compare(FloatCC::UnorderedOrLessThan, x, zero);
        let none = self.number(f64::NAN);
        self.pick(outside, none, y)
    }

    pub fn log1p(&mut self, x: Value) -> Value {
        let one = self.number(1.0);
        let u = self.add(one, x);
        let large = self.compare(FloatCC::LessThan, one, x);
        let a = self.sub(u, x);
        let a = self.sub(one, a);
        let b = self.sub(u, one);
        let b = self.sub(x, b);
        let lost = self.pick(large, a, b);
        let log = self.log(u);
        let part = self.builder.ins().fdiv(lost, u);
        let y = self.add(log, part);
        let infinity = self.number(f64::INFINITY);
        let is_infinite = self.compare(FloatCC::Equal, x, infinity);
        let y = self.pick(is_infinite, x, y);
        let minus = self.number(-1.0);
        let at_minus = self.compare(FloatCC::Equal, x, minus);
        let lowest = self.number(f64::NEG_INFINITY);
        let y = self.pick(at_minus, lowest, y);
        let small = self.is_small(x);
        self.pick(small, x, y)
    }
}
