//! What is known of rows that a task reads, on the wire: in which orders they are, what is constant in them, what is equal. An operator that
//! was planned with it fails, or gives other rows, where it is not known any more.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result as DfResult, ScalarValue};
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::{
    AcrossPartitions, ConstExpr, EquivalenceProperties, LexOrdering, PhysicalExpr,
};
use datafusion_proto::physical_plan::from_proto::{
    parse_physical_exprs, parse_physical_sort_exprs,
};
use datafusion_proto::physical_plan::to_proto::{
    serialize_physical_exprs, serialize_physical_sort_exprs,
};
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::{PhysicalExprNode, PhysicalSortExprNodeCollection};
use prost::Message;
use serde::{Deserialize, Serialize};

/// Expressions are protobuf messages of DataFusion's.
#[derive(Serialize, Deserialize)]
pub(super) struct Known {
    orderings: Vec<Vec<u8>>,
    /// Expressions that are equal to each other.
    equal: Vec<Vec<Vec<u8>>>,
    constant: Vec<(Vec<u8>, Constant)>,
}

#[derive(Serialize, Deserialize)]
enum Constant {
    /// In each partition another one, perhaps.
    Each,
    /// The same in all; nobody knows which.
    One,
    /// This one: a literal.
    Value(Vec<u8>),
}

type Expr = Arc<dyn PhysicalExpr>;

impl Known {
    pub(super) fn of(
        known: &EquivalenceProperties,
        codec: &dyn PhysicalExtensionCodec,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> DfResult<Self> {
        let written = |expr: &Expr| -> DfResult<Vec<u8>> {
            let nodes = serialize_physical_exprs([expr], codec, converter)?;
            Ok(nodes.iter().flat_map(Message::encode_to_vec).collect())
        };
        let orderings = known.oeq_class().iter().map(|ordering| {
            let physical_sort_expr_nodes =
                serialize_physical_sort_exprs(ordering.iter().cloned(), codec, converter)?;
            let list = PhysicalSortExprNodeCollection {
                physical_sort_expr_nodes,
            };
            Ok(list.encode_to_vec())
        });
        let classes = known.eq_group().iter().filter(|class| class.len() > 1);
        let equal = classes.map(|class| class.iter().map(written).collect::<DfResult<_>>());
        let constant = known.constants().into_iter().map(|c| {
            let across = match c.across_partitions {
                AcrossPartitions::Heterogeneous => Constant::Each,
                AcrossPartitions::Uniform(None) => Constant::One,
                AcrossPartitions::Uniform(Some(value)) => {
                    Constant::Value(written(&(Arc::new(Literal::new(value)) as Expr))?)
                }
            };
            Ok((written(&c.expr)?, across))
        });
        Ok(Self {
            orderings: orderings.collect::<DfResult<_>>()?,
            equal: equal.collect::<DfResult<_>>()?,
            constant: constant.collect::<DfResult<_>>()?,
        })
    }

    pub(super) fn read(
        self,
        schema: SchemaRef,
        context: &PhysicalPlanDecodeContext<'_>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> DfResult<EquivalenceProperties> {
        let malformed = |e: &dyn std::fmt::Display| {
            DataFusionError::Execution(format!("what is known of a task's rows is malformed: {e}"))
        };
        let expr = |bytes: &[u8]| -> DfResult<Expr> {
            let node = PhysicalExprNode::decode(bytes).map_err(|e| malformed(&e))?;
            let mut read = parse_physical_exprs([&node], context, &schema, converter)?;
            read.pop()
                .ok_or_else(|| malformed(&"an expression is missing"))
        };
        let value = |bytes: &[u8]| -> DfResult<ScalarValue> {
            let literal = expr(bytes)?;
            let literal = literal.downcast_ref::<Literal>();
            literal
                .map(|l| l.value().clone())
                .ok_or_else(|| malformed(&"a constant is no literal"))
        };
        let mut known = EquivalenceProperties::new(schema.clone());
        for class in self.equal {
            let mut exprs = class.iter().map(|bytes| expr(bytes));
            if let Some(first) = exprs.next().transpose()? {
                for other in exprs {
                    known.add_equal_conditions(first.clone(), other?)?;
                }
            }
        }
        let constants = self.constant.iter().map(|(bytes, across)| {
            let across = match across {
                Constant::Each => AcrossPartitions::Heterogeneous,
                Constant::One => AcrossPartitions::Uniform(None),
                Constant::Value(bytes) => AcrossPartitions::Uniform(Some(value(bytes)?)),
            };
            Ok(ConstExpr::new(expr(bytes)?, across))
        });
        known.add_constants(constants.collect::<DfResult<Vec<_>>>()?)?;
        for bytes in self.orderings {
            let list = PhysicalSortExprNodeCollection::decode(bytes.as_slice())
                .map_err(|e| malformed(&e))?;
            let exprs = parse_physical_sort_exprs(
                &list.physical_sort_expr_nodes,
                context,
                &schema,
                converter,
            )?;
            known.add_orderings(LexOrdering::new(exprs));
        }
        Ok(known)
    }
}
